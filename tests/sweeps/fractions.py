"""A workload of a user's own that says nothing of units: its accuracy is a fraction, its loss small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sweeps.workload import Run


@dataclass(frozen=True)
class Recipe:
    """Accuracy rises with `lr`; `bonus` adds a little."""

    lr: float = 0.05
    bonus: float = 0.01
    epochs: int = 1


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Yield `val_accuracy` from 0 to 1, and a loss of about 0.0001."""
    noise = np.random.default_rng(run.seed).normal(0, 1e-4)
    for _ in range(recipe.epochs):
        yield {"val_accuracy": 0.9 + recipe.lr + recipe.bonus * (1 + 500 * noise), "val_loss": 1.2e-4 + noise / 100}


def toggles() -> dict[str, dict[str, float]]:
    """The part that can be removed."""
    return {"bonus": {"bonus": 0.0}}
