"""Test-time augmentation: average the logits over several views of an image.

The views are those of cifar10-airbench (Jordan 2024, arXiv:2404.00498): the image and its mirror image, and both moved
by a pixel towards the top left and towards the bottom right. The views that are not moved have half of the weight.
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
    """One view of an image.

    Attributes:
        weight: Its weight in the mean; the weights of all views sum to 1.
        shift: Pixels by which the image is moved up and left; negative, down and right.
        mirrored: Whether it is flipped left to right.
    """

    weight: float
    shift: int
    mirrored: bool


def _with_mirror_image(weight: float, shift: int) -> tuple[View, View]:
    return View(weight / 2, shift, False), View(weight / 2, shift, True)


VIEWS: dict[TestTimeAugmentation, tuple[View, ...]] = {
    "none": (View(1.0, 0, False),),
    "mirror": _with_mirror_image(1.0, 0),
    "mirror_translate": (
        *_with_mirror_image(0.5, 0),
        *_with_mirror_image(0.25, -1),
        *_with_mirror_image(0.25, 1),
    ),
}


def parse_tta(name: str) -> TestTimeAugmentation:
    """Return the test-time augmentation called `name`. Raises ValueError, with the valid names, for another."""
    if name not in VIEWS:
        raise ValueError(f"tta must be {', '.join(VIEWS)} but is {name!r}")
    return name


def mean_logits(logits: Callable[[Tensor], Tensor], pixels: Tensor, tta: TestTimeAugmentation) -> Tensor:
    """Return the weighted mean of the logits over the views of some images.

    Rows and columns that a shift brings in are the image's own, reflected at its border.

    Args:
        logits: Makes logits (B, classes) of images in the form of `pixels`.
        pixels: (B, size, size, stored channels) uint8.
        tta: Which views are averaged.

    Returns:
        (B, classes), in float32 if there is more than one view.
    """
    # The first view is the image as it is.
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
