"""Resize batches of stored images on their device, for sets too large to be kept at the network's size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from cifar_sweep.recipe.data import Fit


def resize(images: Tensor, size: int) -> Tensor:
    """Return the images (B, C, H, W) as (B, C, size, size), bilinear and, where they shrink, antialiased.

    Floating point works on any device, uint8 on a CPU only; there torch computes as Pillow does, several times faster.
    """
    return interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def apply_fit(pixels: Tensor, fit: Fit | None) -> Tensor:
    """Resize and crop stored images.

    The result differs from that of `decode.fit_pixels`, which the cache on disk holds, by one level at most, and not at
    all where a CPU enlarges.

    Args:
        pixels: (B, H, W, stored channels) uint8.
        fit: The side to resize to and the side of the middle part to keep; None returns `pixels` itself.

    Returns:
        (B, side, side, stored channels) uint8, on the device of `pixels`.
    """
    if fit is None:
        return pixels
    if fit.resize is not None:
        planes = pixels.permute(0, 3, 1, 2)
        resized = resize(planes, fit.resize) if pixels.device.type == "cpu" else resize_bytes(planes, fit.resize)
        pixels = resized.permute(0, 2, 3, 1).contiguous()
    return pixels if fit.crop is None else _center_crop(pixels, fit.crop)


def resize_bytes(planes: Tensor, size: int) -> Tensor:
    """Resize uint8 images (B, C, H, W) on any device: through floating point, rounded."""
    return resize(planes.contiguous().float(), size).round_().to(torch.uint8)


def _center_crop(pixels: Tensor, side: int) -> Tensor:
    """Return the middle (B, side, side, C) of images (B, H, W, C)."""
    start = round((pixels.shape[1] - side) / 2)
    return pixels[:, start : start + side, start : start + side].contiguous()
