"""A workload that does nothing: one epoch whose metric is the parameter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sweeps.workload import Run


@dataclass(frozen=True)
class Noop:
    """`x` is the searched setting."""

    x: float = 0.5
    epochs: int = 1


def train(recipe: Noop, run: Run) -> Iterator[dict[str, float]]:
    """Yield one metric, without delay."""
    yield {"score": recipe.x}
