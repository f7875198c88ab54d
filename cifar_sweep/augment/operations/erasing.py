"""Operations that cover a part of the image: random erasing and cutout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.operations.base import Draws, Noise, Operation, uniform
from cifar_sweep.augment.operations.geometric import draw_rectangles, place_spans
from cifar_sweep.recipe import transforms


def paint(images: Tensor, box: Tensor, value: float | str, noise: Noise) -> Tensor:
    """Cover one rectangle of each image.

    Args:
        images: (B, C, size, size) in 0..1.
        box: (B, 2, 2), of its rows and of its columns the first one and the one after the last; they may lie outside
            the image.
        value: The value to paint with in 0..1, "mean" for each channel's mean, or "random" for uniform noise.
        noise: The source of the noise.
    """
    pixel = torch.arange(images.shape[-1], device=images.device)
    down, across = ((pixel >= box[..., :1]) & (pixel < box[..., 1:])).unbind(1)
    covered = down[:, None, :, None] & across[:, None, None, :]
    if value == "random":
        return torch.where(covered, noise.uniform(*images.shape[1:]), images)
    if value == "mean":
        return torch.where(covered, images.mean((2, 3), keepdim=True), images)
    return images.masked_fill(covered, float(value))


def _box(rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]) -> Tensor:
    """Return rectangles (M, 2, 2) from the first row and the one after the last, (M,) each, and the same of columns."""
    return torch.stack([torch.stack(ends, 1) for ends in (rows, columns)], 1)


@dataclass(frozen=True)
class Erasing(Operation):
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

    def prepare(self, drawn: Draws, size: int) -> Draws:
        """Return the rectangles as a `box` for `paint`; that of an image without one is empty."""
        (top, height), (left, width) = (
            place_spans(drawn[side], drawn[place], size) for side, place in (("height", "top"), ("width", "left"))
        )
        # A span has at least one pixel, so an image without a rectangle is recognised by the drawn height of 0.
        bottom = top + height * (drawn["height"] > 0)
        return {"box": _box((top, bottom), (left, left + width))}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images with their rectangle covered; images without one stay whole."""
        return paint(images, drawn["box"], self.settings.value, noise)


@dataclass(frozen=True)
class Cutout(Operation):
    """Cutout (DeVries & Taylor 2017, arXiv:1708.04552): a square centred anywhere, clipped at the image's border."""

    settings: transforms.Cutout

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `row` and `column` of the centre, in 0..1, (count,) each."""
        return {"row": uniform(generator, count, (0, 1)), "column": uniform(generator, count, (0, 1))}

    def prepare(self, drawn: Draws, size: int) -> Draws:
        """Return the squares as a `box` for `paint`."""
        side = self.settings.size
        top, left = ((drawn[name] * size).floor() - side // 2 for name in ("row", "column"))
        return {"box": _box((top, top + side), (left, left + side))}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images with their square covered."""
        return paint(images, drawn["box"], self.settings.value, noise)
