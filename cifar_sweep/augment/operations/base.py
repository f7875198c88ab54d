"""What an operation is, and how a whole batch goes through one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sweeps.workload import stream

Draws = Mapping[str, Tensor]


class Operation(Protocol):
    """One image operation, made with its section of the recipe."""

    @property
    def settings(self) -> Any:
        """Its section of the recipe."""

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """What is drawn for each of `count` images: tensors (count, ...) on the CPU.

        The same numbers are to be drawn whatever the strengths are, so that two strengths are compared on one draw.
        """

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images (B, channels, size, size) float32 in 0..1, changed as `drawn` says; in 0..1 again.

        `noise`, a generator on the images' device, is for operations that draw for each pixel.
        """


def uniform(generator: np.random.Generator, count: int, ends: tuple[float, float]) -> Tensor:
    """`count` numbers uniform between `ends`, (count,) float32."""
    low, high = ends
    return torch.from_numpy(low + (high - low) * generator.random(count)).float()


def beside(values: Tensor, images: Tensor) -> Tensor:
    """`values` on the device of `images`, without a wait for what that still has to do.

    CUDA has taken what it copies from ordinary memory before the call returns, so the values may go at once.
    """
    return values.to(images.device, non_blocking=True)


def per_image(values: Tensor, images: Tensor) -> Tensor:
    """`values` (B,) as (B, 1, 1, 1) on the device of `images`."""
    return beside(values, images).view(-1, 1, 1, 1)


@dataclass(frozen=True)
class Step:
    """An operation with the draws of one epoch: which of the images are `touched` (count,), and how."""

    name: str
    operation: Operation
    touched: Tensor
    drawn: Draws
    seed: int

    @classmethod
    def of_epoch(cls, name: str, operation: Operation, count: int, seed: int, epoch: int) -> Step:
        """Drawn from a stream of its own, so that no operation's draws depend on which others are on."""
        seed = stream(seed, "augment", name, epoch)
        generator = np.random.default_rng(seed)
        touched = torch.from_numpy(generator.random(count) < operation.settings.p)
        return cls(name, operation, touched, operation.draw(count, generator), seed)

    def __call__(self, images: Tensor, batch: slice) -> Tensor:
        """The images (B, channels, size, size), which are the positions `batch` of the epoch; only those touched pay.

        Overwrites `images`.
        """
        chosen = self.touched[batch].nonzero().squeeze(1)
        if len(chosen) == 0:
            return images
        drawn = {name: values[batch][chosen] for name, values in self.drawn.items()}
        noise = torch.Generator(images.device).manual_seed(stream(self.seed, "noise", batch.start))
        if len(chosen) == len(images):
            return self.operation.apply(images, drawn, noise)
        where = beside(chosen, images)
        return images.index_copy_(0, where, self.operation.apply(images[where], drawn, noise))
