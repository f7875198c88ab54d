"""What a rule of early termination is: a decision over the curves that were recorded, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

Goal = Literal["maximize", "minimize"]
Curve = Mapping[int, float]  # epoch, from 1 -> the study's metric


class Rule(Protocol):
    """Decides which trials stop. A restarted study decides alike, since it has the same curves."""

    def stops(self, number: int, curves: Mapping[int, Curve]) -> bool:
        """Whether trial `number` stops at its last epoch; `curves` are those of all trials, its own included."""

    def why(self, epoch: int) -> str:
        """What is said of a trial that stops at `epoch`."""

    def judged(self, epochs: int) -> tuple[int, ...]:
        """The epochs, ascending, at which trials of `epochs` epochs are judged."""


def sign(goal: Goal) -> float:
    """What a metric is multiplied by so that more is better."""
    return 1.0 if goal == "maximize" else -1.0
