"""Operations that cover a part of the image: random erasing and cutout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.operations.base import Draws, to_device_of, uniform
from cifar_sweep.augment.operations.geometric import draw_rectangles, place_spans
from cifar_sweep.recipe import transforms


def paint(
    images: Tensor,
    rows: tuple[Tensor, Tensor],
    columns: tuple[Tensor, Tensor],
    value: float | str,
    noise: torch.Generator,
) -> Tensor:
    """Cover one rectangle of each image.

    Args:
        images: (B, C, size, size) in 0..1.
        rows: The first row of each rectangle and the one after its last, (B,) each; they may lie outside the image.
        columns: The same of its columns.
        value: The value to paint with in 0..1, "mean" for each channel's mean, or "random" for uniform noise.
        noise: The source of the noise.
    """
    size = images.shape[-1]
    down, across = (_covered_pixels(ends, size) for ends in (rows, columns))
    covered = to_device_of(down[:, None, :, None] & across[:, None, None, :], images)
    if value == "random":
        return torch.where(covered, torch.rand(images.shape, generator=noise, device=images.device), images)
    colour = images.mean((2, 3), keepdim=True) if value == "mean" else images.new_full((), float(value))
    return torch.where(covered, colour, images)


def _covered_pixels(ends: tuple[Tensor, Tensor], size: int) -> Tensor:
    """Return which of `size` pixels lie from the first end to before the second, (B, size)."""
    first, end = (values[:, None] for values in ends)
    pixel = torch.arange(size)
    return (pixel >= first) & (pixel < end)


@dataclass(frozen=True)
class Erasing:
    """Random erasing (Zhong et al. 2017, arXiv:1708.04896): a rectangle of random area and shape, inside the image."""

    settings: transforms.Erasing

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `height` and `width`, shares of the side (0 where no try fitted), and `top` and `left` in 0..1."""
        height, width, fits = draw_rectangles(generator, count, self.settings.scale, self.settings.ratio)
        return {
            "height": (height * fits).float(),
            "width": (width * fits).float(),
            "top": uniform(generator, count, (0, 1)),
            "left": uniform(generator, count, (0, 1)),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """Return the images with their rectangle covered; images without one stay whole."""
        size = images.shape[-1]
        (top, height), (left, width) = (
            place_spans(drawn[side], drawn[place], size) for side, place in (("height", "top"), ("width", "left"))
        )
        # A span has at least one pixel, so an image without a rectangle is recognised by the drawn height of 0.
        bottom = top + height * (drawn["height"] > 0)
        return paint(images, (top, bottom), (left, left + width), self.settings.value, noise)


@dataclass(frozen=True)
class Cutout:
    """Cutout (DeVries & Taylor 2017, arXiv:1708.04552): a square centred anywhere, clipped at the image's border."""

    settings: transforms.Cutout

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `row` and `column` of the centre, in 0..1, (count,) each."""
        return {"row": uniform(generator, count, (0, 1)), "column": uniform(generator, count, (0, 1))}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """Return the images with their square covered."""
        size, side = images.shape[-1], self.settings.size
        top, left = ((drawn[name] * size).floor() - side // 2 for name in ("row", "column"))
        return paint(images, (top, top + side), (left, left + side), self.settings.value, noise)
