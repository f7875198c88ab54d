"""Bringing a batch of stored images to the network's size where they are: for sets too large to be kept enlarged."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from cifar_sweep.recipe.data import Fit


def resized(images: Tensor, size: int) -> Tensor:
    """The images (B, C, H, W), floating point, at (B, C, size, size): bilinear and, where they shrink, antialiased."""
    return interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def fitted(pixels: Tensor, fit: Fit | None) -> Tensor:
    """The stored images `pixels` (B, H, W, stored channels) uint8 as `fit` wants them, in the same layout and type.

    On the device of `pixels`; a value may differ by one from what the cache on disk would hold. None: as they are.
    """
    if fit is None:
        return pixels
    if fit.resize is not None:
        planes = resized(pixels.permute(0, 3, 1, 2).float(), fit.resize)
        pixels = planes.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    return pixels if fit.crop is None else _middle(pixels, fit.crop)


def _middle(pixels: Tensor, side: int) -> Tensor:
    start = round((pixels.shape[1] - side) / 2)
    return pixels[:, start : start + side, start : start + side].contiguous()
