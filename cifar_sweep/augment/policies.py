"""RandAugment, TrivialAugment and AugMix: operations drawn for each image from a table of strengths.

The tables are those of torchvision; unlike there, geometric maps are bilinear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.operations import grouped
from cifar_sweep.augment.operations.base import Draws, Noise, Operation, per_image
from cifar_sweep.augment.operations.colour import blend
from cifar_sweep.augment.operations.grouped import IDENTITY, KIND_ON_CPU, Levels
from cifar_sweep.recipe import transforms


def _draw_signs(generator: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    """Draw -1 or 1, equally likely, as float32."""
    return torch.from_numpy(1.0 - 2.0 * generator.integers(0, 2, shape)).float()


def _table(shear: float, translate: Levels, degrees: float, change: float, bits: int) -> Mapping[str, Levels]:
    """Return the fourteen operations that RandAugment and TrivialAugment share, each up to its own largest strength."""
    enhance = Levels(0, change, signed=True)
    return {
        IDENTITY: Levels(),
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
class RandAugment(Operation):
    """RandAugment (Cubuk et al. 2019, arXiv:1909.13719): several operations, all at one magnitude."""

    settings: transforms.RandAugment
    on_cpu = frozenset({KIND_ON_CPU})

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `operation` and `sign`, (count, operations) each."""
        # The layout decides which random number goes to which image: one row per operation of the chain.
        shape = (self.settings.operations, count)
        operation = torch.from_numpy(generator.integers(0, len(RAND_AUGMENT), shape))
        return {"operation": operation.T, "sign": _draw_signs(generator, shape).T}

    def prepare(self, drawn: Draws, size: int) -> Draws:
        """Return what `grouped.apply` takes, (M, operations, ...)."""
        operation = drawn["operation"]
        level = torch.full(operation.shape, self.settings.magnitude / 30)
        return grouped.prepare(RAND_AUGMENT, operation, level, drawn["sign"], size)

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images after their operations, one after another."""
        for place in range(self.settings.operations):
            images = grouped.apply(images, {name: values[:, place] for name, values in drawn.items()})
        return images


@dataclass(frozen=True)
class TrivialAugment(Operation):
    """TrivialAugment (Müller & Hutter 2021, arXiv:2103.10158): one operation at one of 31 magnitudes per image."""

    settings: transforms.TrivialAugment
    on_cpu = frozenset({KIND_ON_CPU})

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `operation`, `level` in 0..1 and `sign`, (count,) each."""
        return {
            "operation": torch.from_numpy(generator.integers(0, len(TRIVIAL_AUGMENT), count)),
            "level": torch.from_numpy(generator.integers(0, 31, count) / 30).float(),
            "sign": _draw_signs(generator, (count,)),
        }

    def prepare(self, drawn: Draws, size: int) -> Draws:
        """Return what `grouped.apply` takes, (M, ...)."""
        return grouped.prepare(TRIVIAL_AUGMENT, drawn["operation"], drawn["level"], drawn["sign"], size)

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images after their operation."""
        return grouped.apply(images, drawn)


@dataclass(frozen=True)
class AugMix(Operation):
    """AugMix (Hendrycks et al. 2019, arXiv:1912.02781): chains of operations, blended with the image.

    The nine operations are the paper's: it leaves out those that resemble the corruptions of its test sets.
    """

    settings: transforms.AugMix
    on_cpu = frozenset({KIND_ON_CPU})

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

    def prepare(self, drawn: Draws, size: int) -> Draws:
        """Return `weight` and `share` as drawn, and what `grouped.apply` takes, (M, width, longest chain, ...)."""
        chains = grouped.prepare(AUG_MIX, drawn["operation"], drawn["level"], drawn["sign"], size)
        return {**chains, "weight": drawn["weight"], "share": drawn["share"]}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return `share` of each image plus the rest of the weighted mean of its chains."""
        changed, chains = self._changed(images, drawn), torch.zeros_like(images)
        for chain, weight in zip(changed.unbind(1), drawn["weight"].unbind(1), strict=True):
            chains += chain * per_image(weight)
        return blend(images, chains, drawn["share"])

    def _changed(self, images: Tensor, drawn: Draws) -> Tensor:
        """Return the images (B, width, C, size, size) after each chain; all chains go through it at once."""
        width = self.settings.width
        links = {name: values.flatten(0, 1) for name, values in drawn.items() if name not in ("weight", "share")}
        changed = images.repeat_interleave(width, 0)
        for place in range(links["kind"].shape[1]):
            changed = grouped.apply(changed, {name: values[:, place] for name, values in links.items()})
        return changed.view(len(images), width, *images.shape[1:])
