"""The operations that the policies draw from: `(images (B, C, size, size), strength (B,)) -> images`, in 0..1.

Each computes what torchvision's operation of that name does. Geometric maps are bilinear, black outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from cifar_sweep.augment.operations.base import per_image
from cifar_sweep.augment.operations.colour import blend, brightness, contrast, full_contrast, saturation
from cifar_sweep.augment.operations.geometric import matrices, rotations, warp


def shear_x(images: Tensor, slope: Tensor) -> Tensor:
    """Move each row left by `slope` (B,) times its distance from the top."""
    one, none = torch.ones_like(slope), torch.zeros_like(slope)
    return warp(images, matrices(one, -slope, none, one), torch.stack([-slope, none], 1))


def shear_y(images: Tensor, slope: Tensor) -> Tensor:
    """Move each column up by `slope` (B,) times its distance from the left."""
    one, none = torch.ones_like(slope), torch.zeros_like(slope)
    return warp(images, matrices(one, none, -slope, one), torch.stack([none, -slope], 1))


def translate_x(images: Tensor, share: Tensor) -> Tensor:
    """Move the images right by a `share` (B,) of their side."""
    # Twice the share: `warp` measures in half sides.
    shift = torch.stack([2 * share, torch.zeros_like(share)], 1)
    return warp(images, torch.eye(2).expand(len(images), 2, 2), shift)


def translate_y(images: Tensor, share: Tensor) -> Tensor:
    """Move the images down by a `share` (B,) of their side."""
    shift = torch.stack([torch.zeros_like(share), 2 * share], 1)
    return warp(images, torch.eye(2).expand(len(images), 2, 2), shift)


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Rotate the images by `degrees` (B,) counter-clockwise."""
    return warp(images, rotations(-degrees), torch.zeros(len(images), 2))


def sharpness(images: Tensor, change: Tensor) -> Tensor:
    """Multiply the distances to the smoothed images by 1 + `change` (B,), clipped."""
    return blend(images, smooth(images), 1 + change)


def smooth(images: Tensor) -> Tensor:
    """Return 3x3 means with the centre counted five times; the outermost pixels stay as they are."""
    kernel = torch.ones(3, 3, device=images.device)
    kernel[1, 1] = 5
    count, channels, size, _ = images.shape
    inner = conv2d(images.reshape(count * channels, 1, size, size), (kernel / kernel.sum())[None, None])
    changed = images.clone()
    changed[:, :, 1:-1, 1:-1] = inner.view(count, channels, size - 2, size - 2)
    return changed


def equalize(images: Tensor) -> Tensor:
    """Equalise the histogram of each channel of each image, in whole numbers as Pillow does."""
    count, channels, size, _ = images.shape
    values = (images * 255).round_().long().view(count * channels, size * size)
    histogram = torch.zeros(count * channels, 256, dtype=torch.long, device=images.device)
    histogram.scatter_add_(1, values, torch.ones_like(values))
    # Pillow leaves the lightest value's pixels out of the step.
    lightest = histogram.gather(1, values.amax(1, keepdim=True))
    step = (size * size - lightest) // 255
    below = histogram.cumsum(1) - histogram
    equalized = ((below + step // 2) // step.clamp(min=1)).clamp_(0, 255).gather(1, values)
    return torch.where(step > 0, equalized, values).view(images.shape) / 255


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest `bits` (B,) of each byte."""
    step = per_image(2 ** (8 - bits.round()), images)
    return (images * 255).round_().div_(step).floor_().mul_(step).div_(255)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert pixels at `threshold` (B,) and above."""
    return torch.where(images >= per_image(threshold, images), 1 - images, images)


PRIMITIVES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda images, strength: images,
    "shear_x": shear_x,
    "shear_y": shear_y,
    "translate_x": translate_x,
    "translate_y": translate_y,
    "rotate": rotate,
    "brightness": lambda images, change: brightness(images, 1 + change),
    "color": lambda images, change: saturation(images, 1 + change),
    "contrast": lambda images, change: contrast(images, 1 + change),
    "sharpness": sharpness,
    "posterize": posterize,
    "solarize": solarize,
    "auto_contrast": lambda images, strength: full_contrast(images),
    "equalize": lambda images, strength: equalize(images),
}
