"""Operations that mix neighbouring pixels: Gaussian and motion blur. Images are mirrored at their borders."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, one_hot, pad

from cifar_sweep.augment.operations.base import Draws, beside, uniform
from cifar_sweep.recipe import transforms

REACH = 3  # deviations after which a Gaussian kernel ends


def gaussian(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """The images (B, C, size, size) blurred with deviations `sigma` (B,) in pixels, kernels of 2·radius + 1 pixels.

    As products with one (size, size) matrix per image, from the left and from the right.
    """
    size = images.shape[-1]
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    weights = torch.softmax(-0.5 * (offsets / beside(sigma, images)[:, None]).square(), 1)
    sources = offsets[:, None] + torch.arange(size, device=images.device)
    sources = sources.abs()
    sources = (size - 1) - (size - 1 - sources).abs()
    taps = one_hot(sources, size).view(len(offsets), size * size).float()
    blurring = (weights @ taps).view(-1, 1, size, size)
    return blurring @ images @ blurring.mT


@dataclass(frozen=True)
class Blur:
    """A Gaussian blur."""

    settings: transforms.Blur

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`sigma`, in pixels."""
        return {"sigma": uniform(generator, count, self.settings.sigma)}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images blurred."""
        radius = min(math.ceil(REACH * self.settings.sigma[1]), images.shape[-1] - 1)
        return gaussian(images, drawn["sigma"], radius)


@dataclass(frozen=True)
class MotionBlur:
    """A blur along a line."""

    settings: transforms.MotionBlur

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`length` of the line in pixels, and its `angle` in radians."""
        return {
            "length": uniform(generator, count, self.settings.length),
            "angle": uniform(generator, count, (0, math.pi)),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images blurred."""
        radius = min(math.ceil(self.settings.length[1] / 2), images.shape[-1] - 1)
        kernels = beside(lines(drawn["length"], drawn["angle"], radius), images)
        count, channels, size, _ = images.shape
        planes = pad(images, [radius] * 4, mode="reflect").view(1, count * channels, size + 2 * radius, -1)
        kernels = kernels.repeat_interleave(channels, 0)[:, None]
        return conv2d(planes, kernels, groups=count * channels).view(images.shape)


def lines(length: Tensor, angle: Tensor, radius: int) -> Tensor:
    """Kernels (B, 2·radius + 1, 2·radius + 1) of sum 1: a line of `length` pixels through the centre, 1 pixel thick.

    A pixel's weight falls linearly to 0 with its distance from the line.
    """
    side = torch.arange(-radius, radius + 1.0)
    x, y = torch.meshgrid(side, side, indexing="xy")
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    beyond = ((x * cosine + y * sine).abs() - (length[:, None, None] - 1).clamp(min=0) / 2).clamp(min=0)
    across = y * cosine - x * sine
    weights = (1 - torch.hypot(beyond, across)).clamp(min=0)
    return weights / weights.sum((1, 2), keepdim=True)
