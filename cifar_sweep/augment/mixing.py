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
    """A batch after MixUp or CutMix, with the two labels of each image.

    The target of image i is `share[i]` times the class `labels[i]` plus 1 - `share[i]` times the class `partners[i]`.

    Attributes:
        images: (B, C, size, size) float32.
        labels: (B,) class of each image.
        partners: (B,) class of the image mixed into it; `labels` itself where nothing was mixed.
        share: (B,) float32 in 0..1, or None where nothing was mixed.
    """

    images: Tensor
    labels: Tensor
    partners: Tensor
    share: Tensor | None


@dataclass(frozen=True)
class Box:
    """The rectangle that CutMix takes from the partner, in pixels; `bottom` and `right` are excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        """The number of its pixels."""
        return (self.bottom - self.top) * (self.right - self.left)

    @classmethod
    def drawn(cls, share: float, size: int, generator: np.random.Generator) -> Box:
        """Draw a square whose centre is uniform in the image, clipped at the image's border.

        Args:
            share: The share of the image that is kept; the square's area before clipping is 1 - `share` of the image.
            size: Side of the image, in pixels.
            generator: The source of the centre.
        """
        half = round(size * math.sqrt(1 - share)) / 2
        row, column = generator.random(2) * size
        edges = np.rint([row - half, row + half, column - half, column + half]).clip(0, size).astype(int)
        return cls(*edges.tolist())


def mix(images: Tensor, labels: Tensor, settings: Mix | None, generator: np.random.Generator) -> Mixed:
    """Mix each image with the one before it in the batch, the first with the last.

    The batch is in random order already, so the pairs are random, and no image is paired with itself.

    Args:
        images: (B, C, size, size), left unchanged.
        labels: (B,) classes.
        settings: The settings of MixUp and CutMix; None turns both off.
        generator: The source of all draws for this batch.
    """
    touch_draw, kind_draw = generator.random(2)
    if settings is None or touch_draw >= settings.p or settings.mixup == settings.cutmix == 0:
        return Mixed(images, labels, labels, None)
    # With both on, each is used for half of the batches.
    by_area = settings.cutmix > 0 and (settings.mixup == 0 or kind_draw < 0.5)
    alpha = settings.cutmix if by_area else settings.mixup
    share = float(generator.beta(alpha, alpha))
    partners = images.roll(1, 0)
    if by_area:
        box = Box.drawn(share, images.shape[-1], generator)
        # The border and the rounding make the box smaller than drawn; the targets follow the pixels.
        share = 1 - box.area / images.shape[-1] ** 2
        images = images.clone()
        inside = (..., slice(box.top, box.bottom), slice(box.left, box.right))
        images[inside] = partners[inside]
    else:
        images = torch.lerp(partners, images, share)
    shares = torch.full((len(labels),), share, device=images.device)
    return Mixed(images, labels, labels.roll(1, 0), shares)
