"""Operations that mix neighbouring pixels: Gaussian and motion blur. Images are mirrored at their borders."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from cifar_sweep.augment.operations.base import Draws, Noise, Operation, uniform
from cifar_sweep.recipe import transforms

REACH = 3  # standard deviations after which a Gaussian kernel ends


def gaussian_blur(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Blur each image with a Gaussian kernel of its own width.

    Args:
        images: (B, C, size, size).
        sigma: (B,) standard deviations, in pixels.
        radius: The kernels have 2 * radius + 1 pixels a side; at most size - 1.
    """
    # The kernel is separable: one (size, size) matrix per image, applied from the left and from the right. Each row of
    # it has the weights at the pixels that they belong to, mirrored at the borders.
    size = images.shape[-1]
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    weights = torch.softmax(-0.5 * (offsets / sigma[:, None]).square(), 1)
    pixel = torch.arange(size, device=images.device)
    sources = (offsets[:, None] + pixel).abs()
    sources = (size - 1) - (size - 1 - sources).abs()
    taps = (sources[..., None] == pixel).view(len(offsets), size * size).float()
    blurring = (weights @ taps).view(-1, 1, size, size)
    return blurring @ images @ blurring.mT


@dataclass(frozen=True)
class Blur(Operation):
    """A Gaussian blur."""

    settings: transforms.Blur

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `sigma` (count,), in pixels."""
        return {"sigma": uniform(generator, count, self.settings.sigma)}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images blurred."""
        # The radius follows from the settings, not from the draws: an image is blurred alike in any batch.
        radius = min(math.ceil(REACH * self.settings.sigma[1]), images.shape[-1] - 1)
        return gaussian_blur(images, drawn["sigma"], radius)


@dataclass(frozen=True)
class MotionBlur(Operation):
    """A blur along a line."""

    settings: transforms.MotionBlur

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw the line's `length`, in pixels, and `angle`, in radians, (count,) each."""
        return {
            "length": uniform(generator, count, self.settings.length),
            "angle": uniform(generator, count, (0, math.pi)),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images blurred."""
        radius = min(math.ceil(self.settings.length[1] / 2), images.shape[-1] - 1)
        kernels = line_kernels(drawn["length"], drawn["angle"], radius)
        count, channels, size, _ = images.shape
        # One convolution for the whole batch: every channel of every image is a group with a kernel of its own.
        planes = pad(images, [radius] * 4, mode="reflect").view(1, count * channels, size + 2 * radius, -1)
        kernels = kernels.repeat_interleave(channels, 0)[:, None]
        return conv2d(planes, kernels, groups=count * channels).view(images.shape)


def line_kernels(length: Tensor, angle: Tensor, radius: int) -> Tensor:
    """Return blur kernels in the form of a line through the centre, 1 pixel thick, with a sum of 1.

    A pixel's weight falls linearly to 0 with its distance from the line.

    Args:
        length: (B,) lengths of the lines, in pixels.
        angle: (B,) angles of the lines, in radians.
        radius: The kernels have 2 * radius + 1 pixels a side.

    Returns:
        (B, 2 * radius + 1, 2 * radius + 1) float32.
    """
    side = torch.arange(-radius, radius + 1.0, device=length.device)
    x, y = torch.meshgrid(side, side, indexing="xy")
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    beyond = ((x * cosine + y * sine).abs() - (length[:, None, None] - 1).clamp(min=0) / 2).clamp(min=0)
    across = y * cosine - x * sine
    weights = (1 - torch.hypot(beyond, across)).clamp(min=0)
    return weights / weights.sum((1, 2), keepdim=True)
