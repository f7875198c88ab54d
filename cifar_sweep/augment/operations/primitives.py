"""The operations that the policies draw from, in two kinds: maps of the image's plane, and changes of its pixels.

Each computes what torchvision's operation of that name does. Geometric maps are bilinear, black outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from cifar_sweep.augment.operations.base import per_image
from cifar_sweep.augment.operations.colour import blend, brightness, contrast, full_contrast, saturation
from cifar_sweep.augment.operations.geometric import inverse_maps, matrices, rotations


def shear_x(slope: Tensor) -> Tensor:
    """Move each row left by `slope` (M,) times its distance from the top."""
    one, none = torch.ones_like(slope), torch.zeros_like(slope)
    return inverse_maps(matrices(one, -slope, none, one), torch.stack([-slope, none], 1))


def shear_y(slope: Tensor) -> Tensor:
    """Move each column up by `slope` (M,) times its distance from the left."""
    one, none = torch.ones_like(slope), torch.zeros_like(slope)
    return inverse_maps(matrices(one, none, -slope, one), torch.stack([none, -slope], 1))


def translate_x(share: Tensor) -> Tensor:
    """Move the images right by a `share` (M,) of their side."""
    # Twice the share: maps measure in half sides.
    shift = torch.stack([2 * share, torch.zeros_like(share)], 1)
    return inverse_maps(torch.eye(2).expand(len(share), 2, 2), shift)


def translate_y(share: Tensor) -> Tensor:
    """Move the images down by a `share` (M,) of their side."""
    shift = torch.stack([torch.zeros_like(share), 2 * share], 1)
    return inverse_maps(torch.eye(2).expand(len(share), 2, 2), shift)


def rotate(degrees: Tensor) -> Tensor:
    """Rotate the images by `degrees` (M,) counter-clockwise."""
    return inverse_maps(rotations(-degrees), torch.zeros(len(degrees), 2))


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply the distances to the smoothed images by `factor` (B,), clipped."""
    return blend(images, smooth(images), factor)


def smooth(images: Tensor) -> Tensor:
    """Return 3x3 means with the centre counted five times; the outermost pixels stay as they are."""
    kernel = torch.full((1, 1, 3, 3), 1 / 13, device=images.device)
    kernel[:, :, 1, 1].fill_(5 / 13)
    count, channels, size, _ = images.shape
    inner = conv2d(images.reshape(count * channels, 1, size, size), kernel)
    changed = images.clone()
    changed[:, :, 1:-1, 1:-1] = inner.view(count, channels, size - 2, size - 2)
    return changed


def equalize(images: Tensor) -> Tensor:
    """Equalise the histogram of each channel of each image, in whole numbers as Pillow does."""
    count, channels, size, _ = images.shape
    values = (images * 255).round_().long().view(count * channels, size * size)
    histogram = torch.zeros(count * channels, 256, dtype=torch.long, device=images.device)
    histogram.scatter_add_(1, values, torch.ones_like(values))
    below = histogram.cumsum(1) - histogram
    # Pillow leaves the lightest value's pixels out of the step.
    step = below.gather(1, values.amax(1, keepdim=True)) // 255
    equalized = ((below + step // 2) // step.clamp(min=1)).clamp_(0, 255).gather(1, values)
    return torch.where(step > 0, equalized, values).view(images.shape) / 255


def posterize(images: Tensor, step: Tensor) -> Tensor:
    """Round each byte down to a multiple of `step` (B,)."""
    step = per_image(step)
    return (images * 255).round_().div_(step).floor_().mul_(step).div_(255)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert pixels at `threshold` (B,) and above."""
    return torch.where(images >= per_image(threshold), 1 - images, images)


@dataclass(frozen=True)
class PixelChange:
    """An operation that changes pixels where they are.

    Attributes:
        change: Returns the changed images of `(images (B, C, size, size) in 0..1, number (B,))`.
        number: Turns strengths (M,) on the CPU into the number that `change` takes.
    """

    change: Callable[[Tensor, Tensor], Tensor]
    number: Callable[[Tensor], Tensor] = lambda strength: strength


def _one_more(strength: Tensor) -> Tensor:
    return 1 + strength


# Strengths (M,) on the CPU -> the inverse maps (M, 2, 3) that `warp` takes.
MAPS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "shear_x": shear_x,
    "shear_y": shear_y,
    "translate_x": translate_x,
    "translate_y": translate_y,
    "rotate": rotate,
}
PIXEL_CHANGES: Mapping[str, PixelChange] = {
    "brightness": PixelChange(brightness, _one_more),
    "color": PixelChange(saturation, _one_more),
    "contrast": PixelChange(contrast, _one_more),
    "sharpness": PixelChange(sharpness, _one_more),
    "posterize": PixelChange(posterize, lambda bits: 2 ** (8 - bits.round())),
    "solarize": PixelChange(solarize),
    "auto_contrast": PixelChange(lambda images, _: full_contrast(images)),
    "equalize": PixelChange(lambda images, _: equalize(images)),
}
