"""MixUp (Zhang et al. 2017, arXiv:1710.09412) and CutMix (Yun et al. 2019, arXiv:1905.04899), drawn per batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.recipe.transforms import Mix


@dataclass(frozen=True)
class Mixed:
    """A batch after mixing: the target of image i is `share[i]` of `labels[i]` and the rest of `partners[i]`.

    `share` (B,) is None, and `partners` are `labels`, where nothing was mixed.
    """

    images: Tensor
    labels: Tensor
    partners: Tensor
    share: Tensor | None


@dataclass(frozen=True)
class Box:
    """The rectangle that CutMix takes from the partner: rows top..bottom, columns left..right, the ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        """Its pixels."""
        return (self.bottom - self.top) * (self.right - self.left)

    @classmethod
    def drawn(cls, share: float, size: int, generator: np.random.Generator) -> Box:
        """About 1 - `share` of a square of `size` pixels a side, centred anywhere in it and cut off at its border."""
        half = round(size * math.sqrt(1 - share)) / 2
        row, column = generator.random(2) * size
        edges = np.rint([row - half, row + half, column - half, column + half]).clip(0, size).astype(int)
        return cls(*edges.tolist())


def mix(images: Tensor, labels: Tensor, settings: Mix | None, generator: np.random.Generator) -> Mixed:
    """Mix the images (B, C, size, size) each with the one before it in the batch, the first with the last.

    The order of the images is random already, so these are random pairs, and none is a pair with itself.
    """
    touched, either = generator.random(2)
    if settings is None or touched >= settings.p or settings.mixup == settings.cutmix == 0:
        return Mixed(images, labels, labels, None)
    by_area = settings.cutmix > 0 and (settings.mixup == 0 or either < 0.5)
    alpha = settings.cutmix if by_area else settings.mixup
    share = float(generator.beta(alpha, alpha))
    partners = images.roll(1, 0)
    if by_area:
        box = Box.drawn(share, images.shape[-1], generator)
        share = 1 - box.area / images.shape[-1] ** 2
        images = images.clone()
        inside = (..., slice(box.top, box.bottom), slice(box.left, box.right))
        images[inside] = partners[inside]
    else:
        images = torch.lerp(partners, images, share)
    shares = torch.full((len(labels),), share, device=images.device)
    return Mixed(images, labels, labels.roll(1, 0), shares)
