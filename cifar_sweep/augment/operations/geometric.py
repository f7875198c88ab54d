"""Operations that move pixels: flip, resized crop, rotation, affine and perspective maps. Bilinear, black outside."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from cifar_sweep.augment.operations.base import Draws, beside, uniform
from cifar_sweep.recipe import transforms

TRIES = 10  # rectangles drawn until one fits into the image, as in torchvision


def warp(images: Tensor, linear: Tensor, shift: Tensor) -> Tensor:
    """The images (B, C, size, size) under the maps p -> linear·p + shift: `linear` (B, 2, 2), `shift` (B, 2).

    A point p is (x, y), x to the right and y down, in half sides from the centre.
    """
    inverse = torch.linalg.inv(linear)
    theta = beside(torch.cat([inverse, -inverse @ shift[:, :, None]], 2), images)
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False)


def matrices(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """(B, 2, 2): each [[a, b], [c, d]]."""
    return torch.stack([a, b, c, d], 1).view(-1, 2, 2)


def turns(degrees: Tensor) -> Tensor:
    """(B, 2, 2): turning by `degrees` (B,), clockwise as it is seen."""
    cosine, sine = torch.cos(torch.deg2rad(degrees)), torch.sin(torch.deg2rad(degrees))
    return matrices(cosine, -sine, sine, cosine)


def angle_range(degrees: float | tuple[float, float]) -> tuple[float, float]:
    """The range that a setting of `degrees` stands for: 15 is (-15, 15)."""
    return degrees if isinstance(degrees, tuple) else (-degrees, degrees)


def rectangles(
    generator: np.random.Generator, count: int, area: tuple[float, float], ratio: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor]:
    """First sides, second sides and whether they fit, (count,) each, in shares of the image's side.

    Areas are uniform in `area`, first side over second side is log-uniform in `ratio`; of ten tries the first that fits
    into the image is taken.
    """
    areas = area[0] + (area[1] - area[0]) * generator.random((count, TRIES))
    ratios = np.exp(math.log(ratio[0]) + math.log(ratio[1] / ratio[0]) * generator.random((count, TRIES)))
    first, second = np.sqrt(areas * ratios), np.sqrt(areas / ratios)
    fits = (first <= 1) & (second <= 1)
    chosen = np.arange(count), fits.argmax(1)
    return torch.from_numpy(first[chosen]), torch.from_numpy(second[chosen]), torch.from_numpy(fits[chosen])


def spans(length: Tensor, place: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """First pixels and lengths in pixels, (B,) each, of stretches of `length` (B,), a share of `size`.

    `place` (B,), uniform in 0..1, says where among the positions that keep the stretch inside.
    """
    pixels = (length * size).round().clamp(1, size)
    return (place * (size - pixels + 1)).floor(), pixels


@dataclass(frozen=True)
class VerticalFlip:
    """Upside down."""

    settings: transforms.VerticalFlip

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Nothing."""
        return {}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """Rows in reverse."""
        return images.flip(2)


@dataclass(frozen=True)
class ResizedCrop:
    """A part enlarged to the whole image."""

    settings: transforms.ResizedCrop

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`width` and `height`, shares of the side, and where they are, `left` and `top`, in 0..1.

        Where none of the tries fits, the largest part of an allowed shape.
        """
        narrowest, widest = self.settings.ratio
        width, height, fits = rectangles(generator, count, self.settings.scale, self.settings.ratio)
        return {
            "width": torch.where(fits, width, min(1.0, widest)).float(),
            "height": torch.where(fits, height, min(1.0, 1 / narrowest)).float(),
            "left": uniform(generator, count, (0, 1)),
            "top": uniform(generator, count, (0, 1)),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The parts, resized; nothing from outside a part enters it."""
        size = images.shape[-1]
        columns = beside(_sampled(*spans(drawn["width"], drawn["left"], size), size), images)
        rows = beside(_sampled(*spans(drawn["height"], drawn["top"], size), size), images)
        whole = (len(images), size, size)
        grid = torch.stack([columns[:, None, :].expand(whole), rows[:, :, None].expand(whole)], 3)
        return grid_sample(images, grid, align_corners=False)


def _sampled(first: Tensor, length: Tensor, size: int) -> Tensor:
    """Where the `size` pixels of a resized stretch come from, (B, size), in half sides from the centre."""
    centres = (torch.arange(size) + 0.5) / size
    position = first[:, None] + centres * length[:, None] - 0.5
    inside = torch.minimum(torch.maximum(position, first[:, None]), (first + length - 1)[:, None])
    return (2 * inside + 1) / size - 1


@dataclass(frozen=True)
class Rotation:
    """Turned about the centre."""

    settings: transforms.Rotation

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`degrees`, counter-clockwise."""
        return {"degrees": uniform(generator, count, angle_range(self.settings.degrees))}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images turned."""
        return warp(images, turns(-drawn["degrees"]), torch.zeros(len(images), 2))


@dataclass(frozen=True)
class Affine:
    """Sheared, turned, resized, then moved."""

    settings: transforms.Affine

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`degrees` clockwise, `shift` (count, 2) to the right and down in shares of the side, `scale`, `shear`."""
        shift, shear = self.settings.translate, self.settings.shear
        return {
            "degrees": uniform(generator, count, angle_range(self.settings.degrees)),
            "shift": uniform(generator, 2 * count, (-shift, shift)).view(2, count).T,
            "scale": uniform(generator, count, self.settings.scale),
            "shear": uniform(generator, count, (-shear, shear)),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images moved."""
        one, slope = torch.ones(len(images)), torch.tan(torch.deg2rad(drawn["shear"]))
        sheared = turns(drawn["degrees"]) @ matrices(one, -slope, 0 * one, one)
        return warp(images, sheared * drawn["scale"][:, None, None], 2 * drawn["shift"])


@dataclass(frozen=True)
class Perspective:
    """Seen from aside: each corner moved inwards."""

    settings: transforms.Perspective

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`inwards` (count, 4, 2): how far each corner moves in x and y, in shares of the side, clockwise from the
        top left.
        """
        furthest = self.settings.distortion / 2
        return {"inwards": uniform(generator, 8 * count, (0, furthest)).view(count, 4, 2)}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images as their corner pixels ask for."""
        size = images.shape[-1]
        corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]) * (size - 1)
        directions = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
        moved = corners + directions * drawn["inwards"] * size
        unmoved = corners.expand(len(images), 4, 2)
        back = _from_square(unmoved) @ torch.linalg.inv(_from_square(moved))
        centres = torch.arange(size, device=images.device) + 0.5
        x, y = torch.meshgrid(centres, centres, indexing="xy")
        points = torch.stack([x, y, torch.ones_like(x)], 2).view(1, -1, 3)
        mapped = points @ beside(back.mT, images)
        grid = mapped[..., :2] / mapped[..., 2:] * (2 / size) - 1
        return grid_sample(images, grid.view(-1, size, size, 2), align_corners=False)


def _from_square(corners: Tensor) -> Tensor:
    """(B, 3, 3): the homography from the unit square to `corners` (B, 4, 2), clockwise from the top left."""
    first, second, third, fourth = corners.unbind(1)
    excess = first - second + third - fourth
    right, down = second - third, fourth - third
    area = _cross(right, down)
    g, h = _cross(excess, down) / area, _cross(right, excess) / area
    columns = [second - first + g[:, None] * second, fourth - first + h[:, None] * fourth, first]
    top = torch.stack(columns, 2)
    return torch.cat([top, torch.stack([g, h, torch.ones_like(g)], 1)[:, None]], 1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
