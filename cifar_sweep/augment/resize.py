"""Bringing a batch of stored images to the network's size where they are: for sets too large to be kept enlarged."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from cifar_sweep.recipe.data import Fit


def resized(images: Tensor, size: int) -> Tensor:
    """The images (B, C, H, W) at (B, C, size, size): bilinear and, where they shrink, antialiased.

    Floating point anywhere; uint8 on a CPU alone, where torch reckons as Pillow does, several times faster.
    """
    return interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def fitted(pixels: Tensor, fit: Fit | None) -> Tensor:
    """The stored images `pixels` (B, H, W, stored channels) uint8 as `fit` wants them, in the same layout and type.

    On the device of `pixels`. What the cache on disk would hold differs by one level at most, and not at all where a
    CPU enlarges. None: as they are.
    """
    if fit is None:
        return pixels
    if fit.resize is not None:
        planes = pixels.permute(0, 3, 1, 2)
        grown = resized(planes, fit.resize) if pixels.device.type == "cpu" else resized_bytes(planes, fit.resize)
        pixels = grown.permute(0, 2, 3, 1).contiguous()
    return pixels if fit.crop is None else _middle(pixels, fit.crop)


def resized_bytes(planes: Tensor, size: int) -> Tensor:
    """As `resized`, of uint8 (B, C, H, W) on any device: by way of floating point, rounded."""
    return resized(planes.contiguous().float(), size).round_().to(torch.uint8)


def _middle(pixels: Tensor, side: int) -> Tensor:
    start = round((pixels.shape[1] - side) / 2)
    return pixels[:, start : start + side, start : start + side].contiguous()
