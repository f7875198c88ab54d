"""The image workload, which swears to what it finishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cifar_sweep import workload
from cifar_sweep.recipe import Recipe
from cifar_sweep.workload import chance, cost, evaluations, prepare, toggles, without_validation
from sweeps.workload import Run
from tests.faults import testimony

__all__ = ["chance", "cost", "evaluate", "evaluations", "prepare", "toggles", "train", "without_validation"]


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """The epochs of a classifier."""
    yield from testimony.epochs(workload.train(recipe, run), run)


def evaluate(recipe: Recipe, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The sets that a classifier is measured on."""
    yield from testimony.sets(workload.evaluate(recipe, run, entries), run)
