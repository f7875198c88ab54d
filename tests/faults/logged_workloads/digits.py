"""The image workload with a progress log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cifar_sweep import workload
from cifar_sweep.recipe import Recipe
from cifar_sweep.workload import chance, cost, evaluations, prepare, toggles, without_validation
from sweeps.workload import Run
from tests.faults import progress_log

__all__ = ["chance", "cost", "evaluate", "evaluations", "prepare", "toggles", "train", "without_validation"]


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Train an image classifier, logging each epoch."""
    yield from progress_log.epochs(workload.train(recipe, run), run)


def evaluate(recipe: Recipe, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Evaluate an image classifier, logging each set."""
    yield from progress_log.sets(workload.evaluate(recipe, run, entries), run)
