"""A workload without training that yields learning curves computed from its settings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sweeps.workload import Run


@dataclass(frozen=True)
class Learner:
    """The settings; the best are lr 0.1 and width 64."""

    lr: float = 0.1
    momentum: float = 0.9
    width: int = 64
    activation: str = "relu"
    epochs: int = 30


def accuracy(recipe: Learner, epoch: int) -> float:
    """Return the accuracy in percent after `epoch` epochs; a sine makes the curves cross."""
    reached = 95 - 8 * abs(math.log10(recipe.lr / 0.1)) - 2 * abs(math.log2(recipe.width / 64))
    reached -= 10 * (recipe.momentum - 0.9) ** 2 + (recipe.activation != "relu")
    wiggle = math.sin(epoch * (1 + recipe.lr) + recipe.width)
    return reached * (1 - math.exp(-epoch / (3 + recipe.width / 32))) + 0.3 * wiggle


def train(recipe: Learner, run: Run) -> Iterator[dict[str, float]]:
    """Yield one metric per epoch, without delay."""
    for epoch in range(run.epoch, recipe.epochs):
        yield {"val_accuracy": accuracy(recipe, epoch + 1)}


def cost(recipe: Learner) -> dict[str, int]:
    """Return counts that grow with the width."""
    return {"parameters": 10 * recipe.width**2, "trainable_parameters": 10 * recipe.width**2, "macs": recipe.width**3}
