"""Random generators of the device. Their numbers are those of the CPU's, so that figures can be compared."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

CpuGenerator = torch.Generator


class Generator(CpuGenerator):
    """In place of torch.Generator: a generator of the CPU that knows for which device it was made."""

    on_device: bool

    def __new__(cls, device: Any = "cpu") -> Self:
        made = super().__new__(cls, "cpu")
        made.on_device = torch.device(device).type == "cuda"
        return made


class DefaultGenerator:
    """The device's default generator, which is the CPU's."""

    def __init__(self, state: Tensor | None = None) -> None:
        self._state = state

    def get_state(self) -> Tensor:
        """Return its state."""
        return torch.get_rng_state() if self._state is None else self._state

    def set_state(self, state: Tensor) -> None:
        """Continue from a state."""
        torch.set_rng_state(state)

    def clone_state(self) -> DefaultGenerator:
        """Return a generator that keeps the present state."""
        return DefaultGenerator(self.get_state().clone())

    def graphsafe_get_state(self) -> DefaultGenerator:
        """Return a generator that keeps the present state."""
        return self.clone_state()

    def graphsafe_set_state(self, other: DefaultGenerator) -> None:
        """Continue from the state of another generator."""
        torch.set_rng_state(other.get_state())

    def manual_seed(self, seed: int) -> DefaultGenerator:
        """Seed it."""
        torch.default_generator.manual_seed(seed)
        return self

    def initial_seed(self) -> int:
        """Return the seed."""
        return int(torch.default_generator.initial_seed())
