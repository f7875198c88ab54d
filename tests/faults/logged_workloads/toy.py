"""The toy workload with a progress log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeps.workload import Run
from tests import toy
from tests.faults import progress_log
from tests.toy import Toy, chance, cost, evaluations, prepare, scale, smoke, toggles

__all__ = ["chance", "cost", "evaluate", "evaluations", "prepare", "scale", "smoke", "toggles", "train"]


def train(recipe: Toy, run: Run) -> Iterator[Mapping[str, float]]:
    """Train the toy, logging each epoch."""
    yield from progress_log.epochs(toy.train(recipe, run), run)


def evaluate(recipe: Toy, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Evaluate the toy, logging each set."""
    yield from progress_log.sets(toy.evaluate(recipe, run, entries), run)
