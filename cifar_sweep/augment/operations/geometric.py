"""Operations that move pixels: flip, resized crop, rotation, affine and perspective maps. Bilinear, black outside."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from cifar_sweep.augment.operations.base import Draws, Noise, Operation, uniform
from cifar_sweep.recipe import transforms

TRIES = 10  # rectangles drawn until one fits into the image, as in torchvision


def inverse_maps(linear: Tensor, shift: Tensor) -> Tensor:
    """Return the inverses of the maps p -> linear·p + shift, as `warp` takes them.

    A point p is (x, y), x to the right and y down, in half sides from the centre.

    Args:
        linear: (B, 2, 2), invertible, on the CPU: a GPU would have to wait for the inversion.
        shift: (B, 2).

    Returns:
        (B, 2, 3), the linear part and the shift of each inverse.
    """
    inverse = torch.linalg.inv(linear)
    return torch.cat([inverse, -inverse @ shift[:, :, None]], 2)


def warp(images: Tensor, inverses: Tensor) -> Tensor:
    """Map each of the images (B, C, size, size), given the inverses of the maps (B, 2, 3)."""
    # The inverses, because grid_sample asks for the source of each target pixel.
    grid = affine_grid(inverses, list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False)


def matrices(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Return the matrices [[a, b], [c, d]], (B, 2, 2), of four (B,)."""
    return torch.stack([a, b, c, d], 1).view(-1, 2, 2)


def rotations(degrees: Tensor) -> Tensor:
    """Return matrices (B, 2, 2) that rotate by `degrees` (B,), clockwise as seen (y points down)."""
    cosine, sine = torch.cos(torch.deg2rad(degrees)), torch.sin(torch.deg2rad(degrees))
    return matrices(cosine, -sine, sine, cosine)


def angle_range(degrees: float | tuple[float, float]) -> tuple[float, float]:
    """Return the range of a setting in degrees: 15 means (-15, 15)."""
    return degrees if isinstance(degrees, tuple) else (-degrees, degrees)


def draw_rectangles(
    generator: np.random.Generator, count: int, area: tuple[float, float], ratio: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw `count` rectangles; of ten tries per rectangle the first that fits into the image is taken.

    Args:
        generator: The source of the draws.
        count: Number of rectangles.
        area: Range of the area, as a share of the image's; uniform.
        ratio: Range of the first side over the second; log-uniform.

    Returns:
        First sides and second sides, in shares of the image's side, and whether a try fitted, (count,) each.
    """
    # All tries are drawn, also those after the first that fits: the stream then does not depend on the settings.
    areas = area[0] + (area[1] - area[0]) * generator.random((count, TRIES))
    ratios = np.exp(math.log(ratio[0]) + math.log(ratio[1] / ratio[0]) * generator.random((count, TRIES)))
    first, second = np.sqrt(areas * ratios), np.sqrt(areas / ratios)
    fits = (first <= 1) & (second <= 1)
    first_fit = np.arange(count), fits.argmax(1)
    return torch.from_numpy(first[first_fit]), torch.from_numpy(second[first_fit]), torch.from_numpy(fits[first_fit])


def place_spans(length: Tensor, place: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Turn lengths and places into whole pixels.

    Args:
        length: (B,) lengths, as a share of `size`.
        place: (B,) in 0..1, which of the positions that keep the span inside.
        size: Side of the image, in pixels.

    Returns:
        First pixels and lengths in pixels (1 to `size`), (B,) each.
    """
    pixels = (length * size).round().clamp(1, size)
    return (place * (size - pixels + 1)).floor(), pixels


@dataclass(frozen=True)
class VerticalFlip(Operation):
    """Turn images upside down."""

    settings: transforms.VerticalFlip

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw nothing."""
        return {}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images with their rows in reverse."""
        return images.flip(2)


@dataclass(frozen=True)
class ResizedCrop(Operation):
    """A part of random area and shape, enlarged to the whole image (Szegedy et al. 2014, arXiv:1409.4842)."""

    settings: transforms.ResizedCrop

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `width` and `height`, in shares of the side, and their place `left` and `top`, in 0..1, (count,) each.

        Where no try fits, the part is the largest of an allowed shape.
        """
        narrowest, widest = self.settings.ratio
        width, height, fits = draw_rectangles(generator, count, self.settings.scale, self.settings.ratio)
        return {
            "width": torch.where(fits, width, min(1.0, widest)).float(),
            "height": torch.where(fits, height, min(1.0, 1 / narrowest)).float(),
            "left": uniform(generator, count, (0, 1)),
            "top": uniform(generator, count, (0, 1)),
        }

    def prepare(self, drawn: Draws, size: int) -> Draws:
        """Return `span` (M, 2, 2): of the part's columns and of its rows the first one and their number."""
        axes = (("width", "left"), ("height", "top"))
        spans = [torch.stack(place_spans(drawn[side], drawn[place], size), 1) for side, place in axes]
        return {"span": torch.stack(spans, 1)}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the parts, resized; pixels outside a part do not enter it."""
        size = images.shape[-1]
        columns, rows = _sources(drawn["span"], size).unbind(1)
        whole = (len(images), size, size)
        grid = torch.stack([columns[:, None, :].expand(whole), rows[:, :, None].expand(whole)], 3)
        return grid_sample(images, grid, align_corners=False)


def _sources(span: Tensor, size: int) -> Tensor:
    """Return the sources of the `size` pixels of resized spans, in half sides from the centre.

    Args:
        span: (..., 2), the first pixel of each span and its length.
        size: Side of the images, in pixels.

    Returns:
        (..., size).
    """
    first, length = span[..., :1], span[..., 1:]
    centres = (torch.arange(size, device=span.device) + 0.5) / size
    position = first + centres * length - 0.5
    # At its ends a span is read from its own outermost pixels, not blended with those beyond.
    inside = torch.minimum(torch.maximum(position, first), first + length - 1)
    return (2 * inside + 1) / size - 1


@dataclass(frozen=True)
class Rotation(Operation):
    """Rotate images about their centre."""

    settings: transforms.Rotation

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `degrees` (count,), counter-clockwise."""
        return {"degrees": uniform(generator, count, angle_range(self.settings.degrees))}

    def prepare(self, drawn: Draws, size: int) -> Draws:
        """Return the `inverse` of each map, for `warp`."""
        degrees = drawn["degrees"]
        return {"inverse": inverse_maps(rotations(-degrees), torch.zeros(len(degrees), 2))}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the rotated images."""
        return warp(images, drawn["inverse"])


@dataclass(frozen=True)
class Affine(Operation):
    """Shear, rotate and resize images about their centre, then shift them."""

    settings: transforms.Affine

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `degrees` clockwise, `shift` (count, 2) right and down in shares of the side, `scale` and `shear`."""
        shift, shear = self.settings.translate, self.settings.shear
        return {
            "degrees": uniform(generator, count, angle_range(self.settings.degrees)),
            "shift": uniform(generator, 2 * count, (-shift, shift)).view(2, count).T,
            "scale": uniform(generator, count, self.settings.scale),
            "shear": uniform(generator, count, (-shear, shear)),
        }

    def prepare(self, drawn: Draws, size: int) -> Draws:
        """Return the `inverse` of each map, for `warp`."""
        slope = torch.tan(torch.deg2rad(drawn["shear"]))
        one, none = torch.ones_like(slope), torch.zeros_like(slope)
        sheared = rotations(drawn["degrees"]) @ matrices(one, -slope, none, one)
        return {"inverse": inverse_maps(sheared * drawn["scale"][:, None, None], 2 * drawn["shift"])}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the mapped images."""
        return warp(images, drawn["inverse"])


@dataclass(frozen=True)
class Perspective(Operation):
    """A perspective map that moves each corner inwards."""

    settings: transforms.Perspective

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `inwards` (count, 4, 2): the corners' moves in x and y, shares of the side, clockwise from top left."""
        furthest = self.settings.distortion / 2
        return {"inwards": uniform(generator, 8 * count, (0, furthest)).view(count, 4, 2)}

    def prepare(self, drawn: Draws, size: int) -> Draws:
        """Return `back` (M, 3, 3), the homography from each target pixel to its source, in pixels."""
        corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]) * (size - 1)
        directions = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
        moved = corners + directions * drawn["inwards"] * size
        unmoved = corners.expand(len(moved), 4, 2)
        return {"back": _from_unit_square(unmoved) @ torch.linalg.inv(_from_unit_square(moved))}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the mapped images."""
        size = images.shape[-1]
        centres = torch.arange(size, device=images.device) + 0.5
        x, y = torch.meshgrid(centres, centres, indexing="xy")
        points = torch.stack([x, y, torch.ones_like(x)], 2).view(1, -1, 3)
        mapped = points @ drawn["back"].mT
        grid = mapped[..., :2] / mapped[..., 2:] * (2 / size) - 1
        return grid_sample(images, grid.view(-1, size, size, 2), align_corners=False)


def _from_unit_square(corners: Tensor) -> Tensor:
    """Return the homographies (B, 3, 3) from the unit square to `corners` (B, 4, 2), clockwise from top left."""
    # In closed form (Heckbert 1989, "Fundamentals of texture mapping and image warping"), not by a solver.
    first, second, third, fourth = corners.unbind(1)
    excess = first - second + third - fourth
    right, down = second - third, fourth - third
    area = _cross(right, down)
    g, h = _cross(excess, down) / area, _cross(right, excess) / area
    columns = [second - first + g[:, None] * second, fourth - first + h[:, None] * fourth, first]
    top = torch.stack(columns, 2)
    return torch.cat([top, torch.stack([g, h, torch.ones_like(g)], 1)[:, None]], 1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """Return the cross products (B,) of vectors (B, 2) in the plane."""
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
