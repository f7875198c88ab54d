"""The protocol of an image operation, and its application to the images that it touches in one epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sweeps.workload import stream

# The random numbers of an operation by name, each (count, ...), one row per image.
Draws = Mapping[str, Tensor]


class Operation(Protocol):
    """One image operation, made with its section of the recipe."""

    @property
    def settings(self) -> Any:
        """The operation's section of the recipe."""

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw the random numbers of `count` images: tensors (count, ...) on the CPU.

        An implementation must draw the same numbers from the generator whatever the strengths are, so that two
        strengths are compared on the same draw.
        """

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """Return the changed images.

        Args:
            images: (B, channels, size, size) float32 in 0..1.
            drawn: The draws of these B images.
            noise: A generator on the images' device, for operations that draw for each pixel.

        Returns:
            (B, channels, size, size) float32 in 0..1.
        """


def uniform(generator: np.random.Generator, count: int, ends: tuple[float, float]) -> Tensor:
    """Draw `count` numbers uniform between `ends`, (count,) float32."""
    low, high = ends
    return torch.from_numpy(low + (high - low) * generator.random(count)).float()


def to_device_of(values: Tensor, images: Tensor) -> Tensor:
    """Return `values` on the device of `images`, without waiting for the work queued there.

    CUDA copies from ordinary (pageable) memory into its own buffer before the call returns, so `values` may be freed or
    overwritten at once.
    """
    return values.to(images.device, non_blocking=True)


def per_image(values: Tensor, images: Tensor) -> Tensor:
    """Return `values` (B,) as (B, 1, 1, 1) on the device of `images`."""
    return to_device_of(values, images).view(-1, 1, 1, 1)


@dataclass(frozen=True)
class Step:
    """An operation with its draws for one epoch.

    Attributes:
        name: The operation's key in the recipe.
        operation: The operation.
        touched: (count,) bool, the images of the epoch that the operation changes.
        drawn: The operation's draws for all images of the epoch.
        seed: The seed of the draws made per pixel.
    """

    name: str
    operation: Operation
    touched: Tensor
    drawn: Draws
    seed: int

    @classmethod
    def of_epoch(cls, name: str, operation: Operation, count: int, seed: int, epoch: int) -> Step:
        """Draw the step for the `count` images of an epoch, counted from 0.

        The stream depends on `seed`, `name` and `epoch` alone, so no operation's draws depend on which others are on.
        """
        seed = stream(seed, "augment", name, epoch)
        generator = np.random.default_rng(seed)
        touched = torch.from_numpy(generator.random(count) < operation.settings.p)
        return cls(name, operation, touched, operation.draw(count, generator), seed)

    def __call__(self, images: Tensor, batch: slice) -> Tensor:
        """Apply the operation to the touched images of a batch; only these are computed. Overwrites `images`.

        Args:
            images: (B, channels, size, size) float32 in 0..1.
            batch: The positions of the batch in the epoch.
        """
        members = self.touched[batch].nonzero().squeeze(1)
        if len(members) == 0:
            return images
        drawn = {name: values[batch][members] for name, values in self.drawn.items()}
        noise = torch.Generator(images.device).manual_seed(stream(self.seed, "noise", batch.start))
        if len(members) == len(images):
            return self.operation.apply(images, drawn, noise)
        positions = to_device_of(members, images)
        return images.index_copy_(0, positions, self.operation.apply(images[positions], drawn, noise))
