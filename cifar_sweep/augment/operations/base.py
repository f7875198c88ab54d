"""The base class of the image operations, and their random numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

# The random numbers of an operation by name, each (count, ...), one row per image.
Draws = Mapping[str, Tensor]


class Operation(ABC):
    """One image operation, made with its section of the recipe.

    Attributes:
        settings: The operation's section of the recipe.
        on_cpu: The names of the prepared draws that stay on the CPU; all others are moved to the images' device.
    """

    settings: Any
    on_cpu: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw the random numbers of `count` images: tensors (count, ...) on the CPU.

        An implementation must draw the same numbers from the generator whatever the strengths are, so that two
        strengths are compared on the same draw.
        """

    def prepare(self, drawn: Draws, size: int) -> Draws:
        """Turn the draws of an epoch into what `apply` needs: tensors (count, ...) on the CPU. By default the draws.

        What a GPU would have to wait for belongs here: the inverse of a matrix, a choice by the value of a draw.

        Args:
            drawn: What `draw` returned for the images that the operation changes.
            size: Side of the images, in pixels.
        """
        return drawn

    @abstractmethod
    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the changed images.

        Nothing here may wait for the images' device or copy numbers to it.

        Args:
            images: (B, channels, size, size) float32 in 0..1; may be overwritten.
            drawn: What `prepare` returned for these B images, on their device.
            noise: The source of the numbers that are drawn for each pixel.

        Returns:
            (B, channels, size, size) float32 in 0..1.
        """


class Noise:
    """The random numbers that are drawn for each pixel, on the images' device.

    Each batch has a generator of its own: its numbers are the same whether or not it is computed with others.
    """

    def __init__(self, seeds: Sequence[int], counts: Sequence[int], device: torch.device) -> None:
        """Take the seed of each batch, and the number of its images that are changed."""
        self._seeds, self._counts, self._device = seeds, counts, device

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal numbers, `shape` for each image."""
        return self._per_batch(
            lambda generator, count: torch.randn((count, *shape), generator=generator, device=self._device)
        )

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers uniform in 0..1, `shape` for each image."""
        return self._per_batch(
            lambda generator, count: torch.rand((count, *shape), generator=generator, device=self._device)
        )

    def poisson(self, rates: Tensor) -> Tensor:
        """Draw a Poisson number for each of `rates` (images, ...)."""
        rates_of_batches = iter(torch.split(rates, list(self._counts)))
        return self._per_batch(lambda generator, count: torch.poisson(next(rates_of_batches), generator=generator))

    @cached_property
    def _generators(self) -> list[torch.Generator]:
        # Made when they are first needed: few operations draw for each pixel.
        return [torch.Generator(self._device).manual_seed(seed) for seed in self._seeds]

    def _per_batch(self, draw: Callable[[torch.Generator, int], Tensor]) -> Tensor:
        drawn = [draw(generator, count) for generator, count in zip(self._generators, self._counts, strict=True)]
        return drawn[0] if len(drawn) == 1 else torch.cat(drawn)


def uniform(generator: np.random.Generator, count: int, ends: tuple[float, float]) -> Tensor:
    """Draw `count` numbers uniform between `ends`, (count,) float32."""
    low, high = ends
    return torch.from_numpy(low + (high - low) * generator.random(count)).float()


def per_image(values: Tensor) -> Tensor:
    """Return `values` (B,) as (B, 1, 1, 1), to be combined with images."""
    return values.view(-1, 1, 1, 1)
