"""RandAugment, TrivialAugment and AugMix: operations drawn for each image from a table.

The images of a batch that drew the same operation go through it together, each at its own strength. The tables are
torchvision's; unlike there, maps are bilinear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.operations.base import Draws, beside, per_image
from cifar_sweep.augment.operations.colour import blend
from cifar_sweep.augment.operations.primitives import PRIMITIVES
from cifar_sweep.recipe import transforms


@dataclass(frozen=True)
class Levels:
    """The strength of an operation, from `start` at level 0 to `end` at level 1; `signed`: either way.

    `in_pixels`: the ends are pixels, and the strength is their share of the image's side, 1 at most.
    """

    start: float = 0.0
    end: float = 0.0
    signed: bool = False
    in_pixels: bool = False

    def strength(self, level: Tensor, sign: Tensor, size: int) -> Tensor:
        """The strengths (B,) at `level` (B,) in 0..1, with `sign` (B,) -1 or 1."""
        strength = self.start + (self.end - self.start) * level
        if self.in_pixels:
            strength = (strength / size).clamp(max=1)
        return strength * sign if self.signed else strength


@dataclass(frozen=True)
class Choice:
    """What is drawn for one operation of a chain: `operation` (B,), an index into the table, `level` and `sign` (B,).

    A negative index: nothing is done.
    """

    operation: Tensor
    level: Tensor
    sign: Tensor


def operate(images: Tensor, table: Mapping[str, Levels], choice: Choice) -> Tensor:
    """Each image (B, C, size, size) through the operation that it drew."""
    changed = images.clone()
    for index, (name, levels) in enumerate(table.items()):
        chosen = (choice.operation == index).nonzero().squeeze(1)
        if len(chosen) and name != "identity":
            strength = levels.strength(choice.level[chosen], choice.sign[chosen], images.shape[-1])
            where = beside(chosen, images)
            changed[where] = PRIMITIVES[name](images[where], strength)
    return changed


def _signs(generator: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(1.0 - 2.0 * generator.integers(0, 2, shape)).float()


def _all_operations(shear: float, translate: Levels, degrees: float, change: float, bits: int) -> Mapping[str, Levels]:
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


RAND_AUGMENT = _all_operations(0.3, Levels(0, 150 / 331, signed=True), 30, 0.9, bits=4)
TRIVIAL_AUGMENT = _all_operations(0.99, Levels(0, 32, signed=True, in_pixels=True), 135, 0.99, bits=2)
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
    """Some operations, all at one magnitude."""

    settings: transforms.RandAugment

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`operation` and `sign`, (count, operations)."""
        shape = (self.settings.operations, count)
        operation = torch.from_numpy(generator.integers(0, len(RAND_AUGMENT), shape))
        return {"operation": operation.T, "sign": _signs(generator, shape).T}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images after each operation."""
        level = torch.full((len(images),), self.settings.magnitude / 30)
        for operation, sign in zip(drawn["operation"].unbind(1), drawn["sign"].unbind(1), strict=True):
            images = operate(images, RAND_AUGMENT, Choice(operation, level, sign))
        return images


@dataclass(frozen=True)
class TrivialAugment:
    """One operation at a magnitude of its own, of 31."""

    settings: transforms.TrivialAugment

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`operation`, `level` in 0..1 and `sign`."""
        return {
            "operation": torch.from_numpy(generator.integers(0, len(TRIVIAL_AUGMENT), count)),
            "level": torch.from_numpy(generator.integers(0, 31, count) / 30).float(),
            "sign": _signs(generator, (count,)),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images after their operation."""
        return operate(images, TRIVIAL_AUGMENT, Choice(drawn["operation"], drawn["level"], drawn["sign"]))


@dataclass(frozen=True)
class AugMix:
    """Chains of operations blended with the image.

    Of the paper's nine operations: those that the corruptions of the test resemble are left out.
    """

    settings: transforms.AugMix

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Per chain and place in it `operation` (negative beyond the chain's end), `level`, `sign`; `weight` of each
        chain, and `share` of the blend of all chains.
        """
        s = self.settings
        longest = 3 if s.depth == -1 else s.depth
        shape = (count, s.width, longest)
        depth = generator.integers(1, 4, (count, s.width, 1)) if s.depth == -1 else s.depth
        operation = np.where(np.arange(longest) < depth, generator.integers(0, len(AUG_MIX), shape), -1)
        return {
            "operation": torch.from_numpy(operation),
            "level": torch.from_numpy(generator.integers(0, s.severity, shape) / 9).float(),
            "sign": _signs(generator, shape),
            "weight": torch.from_numpy(generator.dirichlet([s.alpha] * s.width, count)).float(),
            "share": torch.from_numpy(generator.beta(s.alpha, s.alpha, count)).float(),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The blends."""
        chains = torch.zeros_like(images)
        for chain in range(self.settings.width):
            changed = images
            for place in range(drawn["operation"].shape[2]):
                parts = (drawn[name][:, chain, place] for name in ("operation", "level", "sign"))
                changed = operate(changed, AUG_MIX, Choice(*parts))
            chains += changed * per_image(drawn["weight"][:, chain], images)
        return blend(images, chains, drawn["share"])
