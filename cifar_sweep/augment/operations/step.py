"""An operation with its draws for one epoch, and its application to the images that it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.operations.base import Draws, Noise, Operation
from sweeps.workload import stream

POSITIONS = "positions"  # among the tensors to be moved; no draw has this name


@dataclass(frozen=True)
class Step:
    """An operation with its draws for one epoch.

    Attributes:
        name: The operation's key in the recipe.
        operation: The operation.
        touched: (count,) bool, the images of the epoch that the operation changes, on the CPU.
        positions: (M,) the positions of these M images in the epoch; (0,) where they are all its images.
        drawn: The operation's prepared draws for these images, (M, ...) each.
        seed: The seed of the draws made per pixel.
    """

    name: str
    operation: Operation
    touched: Tensor
    positions: Tensor
    drawn: Draws
    seed: int

    @classmethod
    def of_epoch(cls, name: str, operation: Operation, count: int, seed: int, epoch: int, size: int) -> Step:
        """Draw the step for the `count` images of an epoch, counted from 0, with `size` pixels a side.

        The stream depends on `seed`, `name` and `epoch` alone, so no operation's draws depend on which others are on.
        """
        seed = stream(seed, "augment", name, epoch)
        generator = np.random.default_rng(seed)
        touched = torch.from_numpy(generator.random(count) < operation.settings.p)
        drawn, positions = operation.draw(count, generator), torch.empty(0, dtype=torch.long)
        if not touched.all():
            positions = touched.nonzero().squeeze(1)
            drawn = {key: values[positions] for key, values in drawn.items()}
        return cls(name, operation, touched, positions, operation.prepare(drawn, size), seed)

    def to_move(self) -> dict[str, Tensor]:
        """Return the tensors that `moved` takes, on the CPU."""
        numbers = {key: values for key, values in self.drawn.items() if key not in self.operation.on_cpu}
        return {POSITIONS: self.positions, **numbers}

    def moved(self, tensors: Mapping[str, Tensor]) -> Step:
        """Return the step with the tensors of `to_move` on another device."""
        numbers = {key: values for key, values in tensors.items() if key != POSITIONS}
        return replace(self, positions=tensors[POSITIONS], drawn={**self.drawn, **numbers})

    def __call__(self, images: Tensor, part: slice, size: int) -> Tensor:
        """Apply the operation to the touched images of some batches; only these are computed. Overwrites `images`.

        Args:
            images: (B, channels, side, side) float32 in 0..1.
            part: The positions of the images in the epoch.
            size: Number of images in each batch.
        """
        starts = range(part.start, part.start + len(images), size)
        ends = np.searchsorted(self._members, [*starts, part.start + len(images)])
        first, end = int(ends[0]), int(ends[-1])
        if first == end:
            return images
        # The touched images stand in order of the epoch, so those of a batch are a slice: nothing is copied for it.
        drawn = {key: values[first:end] for key, values in self.drawn.items()}
        seeds = [stream(self.seed, "noise", start) for start in starts]
        noise = Noise(seeds, np.diff(ends).tolist(), images.device)
        if end - first == len(images):
            return self.operation.apply(images, drawn, noise)
        positions = self.positions[first:end] - part.start
        return images.index_copy_(0, positions, self.operation.apply(images[positions], drawn, noise))

    @cached_property
    def _members(self) -> np.ndarray:
        """The positions (M,), on the CPU on any device."""
        return np.flatnonzero(self.touched.numpy())
