"""Test-time augmentation: the mean of the logits over several views of an image.

That of cifar10-airbench (Jordan 2024, arXiv:2404.00498): as it is and mirrored, and both moved by a pixel, towards the
top left and towards the bottom right. The views that are not moved have half of the weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cifar_sweep.augment import Views, gather
from cifar_sweep.recipe import TestTimeAugmentation


@dataclass(frozen=True)
class View:
    """One view: moved up and left by `shift` pixels, mirrored or not, and its `weight` in the mean."""

    weight: float
    shift: int
    mirrored: bool


def _mirrored(weight: float, shift: int) -> tuple[View, View]:
    return View(weight / 2, shift, False), View(weight / 2, shift, True)


VIEWS: dict[TestTimeAugmentation, tuple[View, ...]] = {
    "none": (View(1.0, 0, False),),
    "mirror": _mirrored(1.0, 0),
    "mirror_translate": (*_mirrored(0.5, 0), *_mirrored(0.25, -1), *_mirrored(0.25, 1)),
}


def known(name: str) -> TestTimeAugmentation:
    """The test-time augmentation of that name. Raises ValueError for another."""
    if name not in VIEWS:
        raise ValueError(f"tta must be {', '.join(VIEWS)} but is {name!r}")
    return name


def mean_logits(logits: Callable[[Tensor], Tensor], pixels: Tensor, tta: TestTimeAugmentation) -> Tensor:
    """The weighted mean (B, classes) of the `logits` of the views of `pixels` (B, size, size, stored channels) uint8.

    `logits` takes pixels of that form. Rows and columns that come in are the image's own, reflected.
    """
    first, *others = VIEWS[tta]
    mean = logits(pixels)
    if others:
        mean = mean.float() * first.weight
    for view in others:
        mean = mean + view.weight * logits(_view(pixels, view)).float()
    return mean


def _view(pixels: Tensor, view: View) -> Tensor:
    shifts = torch.full((len(pixels),), view.shift, device=pixels.device)
    views = Views(shifts, shifts, torch.full_like(shifts, view.mirrored, dtype=torch.bool), reflect=True)
    return gather(pixels, torch.arange(len(pixels), device=pixels.device), views)
