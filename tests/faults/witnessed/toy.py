"""The toy workload, which swears to what it finishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeps.workload import Run
from tests import toy
from tests.faults import testimony
from tests.toy import Toy, chance, cost, evaluations, prepare, scale, smoke, toggles

__all__ = ["chance", "cost", "evaluate", "evaluations", "prepare", "scale", "smoke", "toggles", "train"]


def train(recipe: Toy, run: Run) -> Iterator[Mapping[str, float]]:
    """The toy's epochs."""
    yield from testimony.epochs(toy.train(recipe, run), run)


def evaluate(recipe: Toy, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The toy's sets."""
    yield from testimony.sets(toy.evaluate(recipe, run, entries), run)
