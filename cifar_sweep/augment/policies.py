"""RandAugment, TrivialAugment and AugMix: operations drawn for each image from a table of strengths.

The images of a batch that drew the same operation go through it together, each at its own strength. The tables are
those of torchvision; unlike there, geometric maps are bilinear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.operations.base import Draws, per_image, to_device_of
from cifar_sweep.augment.operations.colour import blend
from cifar_sweep.augment.operations.primitives import PRIMITIVES
from cifar_sweep.recipe import transforms


@dataclass(frozen=True)
class Levels:
    """The range of an operation's strength.

    Attributes:
        start: Strength at level 0.
        end: Strength at level 1; linear between.
        signed: Whether the strength may be negative.
        in_pixels: Whether `start` and `end` are pixels; the strength is then their share of the side, at most 1.
    """

    start: float = 0.0
    end: float = 0.0
    signed: bool = False
    in_pixels: bool = False

    def strength(self, level: Tensor, sign: Tensor, size: int) -> Tensor:
        """Return the strengths (B,) at `level` (B,) in 0..1.

        Args:
            level: (B,) in 0..1.
            sign: (B,) -1 or 1, used where the operation is signed.
            size: Side of the images, in pixels.
        """
        strength = self.start + (self.end - self.start) * level
        if self.in_pixels:
            strength = (strength / size).clamp(max=1)
        return strength * sign if self.signed else strength


@dataclass(frozen=True)
class OperationDraw:
    """The operation drawn for each image of a batch, and its strength.

    Attributes:
        operation: (B,) index into the table; negative: the image stays as it is.
        level: (B,) in 0..1.
        sign: (B,) -1 or 1.
    """

    operation: Tensor
    level: Tensor
    sign: Tensor


def apply_drawn(images: Tensor, table: Mapping[str, Levels], drawn: OperationDraw) -> Tensor:
    """Return the images (B, C, size, size), each after the operation of `table` that was drawn for it."""
    changed = images.clone()
    for index, (name, levels) in enumerate(table.items()):
        members = (drawn.operation == index).nonzero().squeeze(1)
        if len(members) and name != "identity":
            strength = levels.strength(drawn.level[members], drawn.sign[members], images.shape[-1])
            positions = to_device_of(members, images)
            changed[positions] = PRIMITIVES[name](images[positions], strength)
    return changed


def _draw_signs(generator: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    """Draw -1 or 1, equally likely, as float32."""
    return torch.from_numpy(1.0 - 2.0 * generator.integers(0, 2, shape)).float()


def _table(shear: float, translate: Levels, degrees: float, change: float, bits: int) -> Mapping[str, Levels]:
    """Return the fourteen operations that RandAugment and TrivialAugment share, each up to its own largest strength."""
    enhance = Levels(0, change, signed=True)
    return {
        "identity": Levels(),
        "shear_x": Levels(0, shear, signed=True),
        "shear_y": Levels(0, shear, signed=True),
        "translate_x": translate,
        "translate_y": translate,
        "rotate": Levels(0, degrees, signed=True),
        "brightness": enhance,
        "color": enhance,
        "contrast": enhance,
        "sharpness": enhance,
        "posterize": Levels(8, bits),
        "solarize": Levels(1, 0),
        "auto_contrast": Levels(),
        "equalize": Levels(),
    }


# The order of a table decides which operation an index stands for, so a change of it changes every draw.
RAND_AUGMENT = _table(0.3, Levels(0, 150 / 331, signed=True), 30, 0.9, bits=4)
TRIVIAL_AUGMENT = _table(0.99, Levels(0, 32, signed=True, in_pixels=True), 135, 0.99, bits=2)
AUG_MIX: Mapping[str, Levels] = {
    "shear_x": Levels(0, 0.3, signed=True),
    "shear_y": Levels(0, 0.3, signed=True),
    "translate_x": Levels(0, 1 / 3, signed=True),
    "translate_y": Levels(0, 1 / 3, signed=True),
    "rotate": Levels(0, 30, signed=True),
    "posterize": Levels(4, 0),
    "solarize": Levels(1, 0),
    "auto_contrast": Levels(),
    "equalize": Levels(),
}


@dataclass(frozen=True)
class RandAugment:
    """RandAugment (Cubuk et al. 2019, arXiv:1909.13719): several operations, all at one magnitude."""

    settings: transforms.RandAugment

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `operation` and `sign`, (count, operations) each."""
        # The layout decides which random number goes to which image: one row per operation of the chain.
        shape = (self.settings.operations, count)
        operation = torch.from_numpy(generator.integers(0, len(RAND_AUGMENT), shape))
        return {"operation": operation.T, "sign": _draw_signs(generator, shape).T}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """Return the images after their operations, one after another."""
        level = torch.full((len(images),), self.settings.magnitude / 30)
        for operation, sign in zip(drawn["operation"].unbind(1), drawn["sign"].unbind(1), strict=True):
            images = apply_drawn(images, RAND_AUGMENT, OperationDraw(operation, level, sign))
        return images


@dataclass(frozen=True)
class TrivialAugment:
    """TrivialAugment (Müller & Hutter 2021, arXiv:2103.10158): one operation at one of 31 magnitudes per image."""

    settings: transforms.TrivialAugment

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `operation`, `level` in 0..1 and `sign`, (count,) each."""
        return {
            "operation": torch.from_numpy(generator.integers(0, len(TRIVIAL_AUGMENT), count)),
            "level": torch.from_numpy(generator.integers(0, 31, count) / 30).float(),
            "sign": _draw_signs(generator, (count,)),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """Return the images after their operation."""
        return apply_drawn(images, TRIVIAL_AUGMENT, OperationDraw(drawn["operation"], drawn["level"], drawn["sign"]))


@dataclass(frozen=True)
class AugMix:
    """AugMix (Hendrycks et al. 2019, arXiv:1912.02781): chains of operations, blended with the image.

    The nine operations are the paper's: it leaves out those that resemble the corruptions of its test sets.
    """

    settings: transforms.AugMix

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw the chains and their weights.

        Returns:
            `operation`, `level` and `sign`, (count, width, longest chain) each, with negative operations beyond the end
            of a chain; `weight` (count, width) of each chain; and `share` (count,), the share of the unchanged image.
        """
        s = self.settings
        longest = 3 if s.depth == -1 else s.depth
        shape = (count, s.width, longest)
        depth = generator.integers(1, 4, (count, s.width, 1)) if s.depth == -1 else s.depth
        operation = np.where(np.arange(longest) < depth, generator.integers(0, len(AUG_MIX), shape), -1)
        return {
            "operation": torch.from_numpy(operation),
            "level": torch.from_numpy(generator.integers(0, s.severity, shape) / 9).float(),
            "sign": _draw_signs(generator, shape),
            "weight": torch.from_numpy(generator.dirichlet([s.alpha] * s.width, count)).float(),
            "share": torch.from_numpy(generator.beta(s.alpha, s.alpha, count)).float(),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """Return `share` of each image plus the rest of the weighted mean of its chains."""
        chains = torch.zeros_like(images)
        for chain in range(self.settings.width):
            changed = images
            for place in range(drawn["operation"].shape[2]):
                parts = (drawn[name][:, chain, place] for name in ("operation", "level", "sign"))
                changed = apply_drawn(changed, AUG_MIX, OperationDraw(*parts))
            chains += changed * per_image(drawn["weight"][:, chain], images)
        return blend(images, chains, drawn["share"])
