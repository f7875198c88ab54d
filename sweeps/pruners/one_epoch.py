"""Train all for a few epochs, then only the best to the end.

Egele et al., "Is One Epoch All You Need For Multi-Fidelity Hyperparameter Optimization?" (arXiv:2307.15422): with one
epoch, on their benchmarks, about as good as successive halving at a tenth of its cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweeps.pruners.base import Curve, Goal, sign


@dataclass(frozen=True)
class OneEpoch:
    """Of all trials the best `top` at epoch `epochs` go on. Nothing is decided before all have come there."""

    epochs: int
    top: int
    goal: Goal

    def best(self, curves: Mapping[int, Curve]) -> list[int]:
        """The numbers of the trials that go on, best first; of equal ones those with the lower numbers."""
        reached = [
            (-sign(self.goal) * curve[self.epochs], number) for number, curve in curves.items() if self.has(curve)
        ]
        return [number for _, number in sorted(reached)[: self.top]]

    def has(self, curve: Curve) -> bool:
        """Whether a trial has come as far as all shall."""
        return self.epochs in curve

    def stops(self, number: int, curves: Mapping[int, Curve]) -> bool:
        """Whether a trial is not among the best, once `curves` has all that are to be compared."""
        return number not in self.best(curves)

    def why(self, epoch: int) -> str:
        """The rule."""
        return f"not among the best {self.top} at epoch {self.epochs}"

    def judged(self, epochs: int) -> tuple[int, ...]:
        """The one epoch."""
        return (self.epochs,) if self.epochs < epochs else ()
