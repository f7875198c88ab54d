"""Train all trials for a few epochs, then only the best to the end.

Egele et al., "Is One Epoch All You Need For Multi-Fidelity Hyperparameter Optimization?" (arXiv:2307.15422): on their
benchmarks, one epoch does about as well as successive halving at a tenth of its cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweeps.pruners.base import Curve
from sweeps.stats.goal import Goal, sign


@dataclass(frozen=True)
class OneEpoch:
    """The best `top` of all trials at epoch `epochs` continue. Nothing is decided before all have reached it.

    Attributes:
        epochs: The epochs that all trials train for.
        top: The number of trials that continue.
        goal: The direction of the metric.
    """

    epochs: int
    top: int
    goal: Goal

    def best(self, curves: Mapping[int, Curve]) -> list[int]:
        """Return the numbers of the trials that continue, best first; of equal values the lower number first."""
        reached = [
            (-sign(self.goal) * curve[self.epochs], number) for number, curve in curves.items() if self.has(curve)
        ]
        return [number for _, number in sorted(reached)[: self.top]]

    def has(self, curve: Curve) -> bool:
        """Return whether a trial has reached the epoch at which all are compared."""
        return self.epochs in curve

    def stops(self, number: int, curves: Mapping[int, Curve]) -> bool:
        """Return whether a trial is not among the best. `curves` must have all the trials to compare."""
        return number not in self.best(curves)

    def why(self, epoch: int) -> str:
        """Return the reason: the rule."""
        return f"not among the best {self.top} at epoch {self.epochs}"

    def judged(self, epochs: int) -> tuple[int, ...]:
        """Return the one epoch at which all are compared."""
        return (self.epochs,) if self.epochs < epochs else ()
