"""Operations that paint a part of the image over: random erasing and cutout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.operations.base import Draws, beside, uniform
from cifar_sweep.augment.operations.geometric import rectangles, spans
from cifar_sweep.recipe import transforms


def paint(
    images: Tensor,
    rows: tuple[Tensor, Tensor],
    columns: tuple[Tensor, Tensor],
    value: float | str,
    noise: torch.Generator,
) -> Tensor:
    """The images with a rectangle each painted over; `rows` and `columns` are its (first, end) pixels, (B,) each."""
    size = images.shape[-1]
    down, across = (_inside(ends, size) for ends in (rows, columns))
    covered = beside(down[:, None, :, None] & across[:, None, None, :], images)
    if value == "random":
        return torch.where(covered, torch.rand(images.shape, generator=noise, device=images.device), images)
    colour = images.mean((2, 3), keepdim=True) if value == "mean" else images.new_full((), float(value))
    return torch.where(covered, colour, images)


def _inside(ends: tuple[Tensor, Tensor], size: int) -> Tensor:
    first, end = (each[:, None] for each in ends)
    pixel = torch.arange(size)
    return (pixel >= first) & (pixel < end)


@dataclass(frozen=True)
class Erasing:
    """A rectangle of random area and shape."""

    settings: transforms.Erasing

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`height` and `width`, shares of the side (0 where no try fitted), and where: `top` and `left` in 0..1."""
        height, width, fits = rectangles(generator, count, self.settings.scale, self.settings.ratio)
        return {
            "height": (height * fits).float(),
            "width": (width * fits).float(),
            "top": uniform(generator, count, (0, 1)),
            "left": uniform(generator, count, (0, 1)),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images without the rectangle; all of the image where none fitted."""
        size = images.shape[-1]
        (top, height), (left, width) = (
            spans(drawn[side], drawn[place], size) for side, place in (("height", "top"), ("width", "left"))
        )
        bottom = top + height * (drawn["height"] > 0)
        return paint(images, (top, bottom), (left, left + width), self.settings.value, noise)


@dataclass(frozen=True)
class Cutout:
    """A square centred anywhere in the image."""

    settings: transforms.Cutout

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`row` and `column` of the centre, in 0..1."""
        return {"row": uniform(generator, count, (0, 1)), "column": uniform(generator, count, (0, 1))}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images without the square."""
        size, side = images.shape[-1], self.settings.size
        top, left = ((drawn[name] * size).floor() - side // 2 for name in ("row", "column"))
        return paint(images, (top, top + side), (left, left + side), self.settings.value, noise)
