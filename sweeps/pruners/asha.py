"""Asynchronous successive halving.

Li et al., "A System for Massively Parallel Hyperparameter Tuning" (MLSys 2020), in the stopping variant that Ray Tune's
`ASHAScheduler` runs: with one bracket both decide alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sweeps.pruners.base import Curve, Goal, sign


@dataclass(frozen=True)
class Asha:
    """Rungs at `min_iter · etaᵏ` epochs up to `max_iter`; at each the best 1/`eta` of the trials go on."""

    min_iter: float
    max_iter: int
    eta: float
    goal: Goal

    @property
    def rungs(self) -> tuple[float, ...]:
        """The rungs in epochs, ascending; not every one is whole when `eta` is not."""
        count = int(np.log(self.max_iter / self.min_iter) / np.log(self.eta) + 1)
        return tuple(self.min_iter * self.eta**k for k in range(count))

    def stops(self, number: int, curves: Mapping[int, Curve]) -> bool:
        """Whether a trial is behind at the rung that it has just reached.

        The answer depends on the order in which results arrived, as in any asynchronous method.
        """
        return self.behind(curves[number], (curve for other, curve in curves.items() if other != number))

    def why(self, epoch: int) -> str:
        """The rung."""
        return f"behind at the rung of epoch {epoch}"

    def judged(self, epochs: int) -> tuple[int, ...]:
        """The rungs but the last, where a trial ends by itself."""
        end = min(epochs, self.max_iter)
        return tuple(dict.fromkeys(math.ceil(rung) for rung in self.rungs if rung < end))

    def behind(self, curve: Curve, others: Iterable[Curve]) -> bool:
        """Whether the trial with `curve` is worse at its last epoch than the best 1/`eta` of `others` at that rung.

        At `max_iter` a trial has ended by itself and is never behind.
        """
        epoch = max(curve)
        rung = self.rung_reached(curve, epoch)
        if epoch >= self.max_iter or rung is None:
            return False
        following = min((other for other in self.rungs if other > rung), default=math.inf)
        recorded = [value for other in others if (value := value_at(other, rung, following)) is not None]
        return self.below_cutoff(curve[epoch], recorded)

    def rung_reached(self, curve: Curve, epoch: int) -> float | None:
        """The highest rung at or below `epoch`, if the trial reaches it at this very epoch and not earlier."""
        rung = max((rung for rung in self.rungs if rung <= epoch), default=None)
        if rung is None or any(rung <= earlier < epoch for earlier in curve):
            return None
        return rung

    def below_cutoff(self, value: float, recorded: list[float]) -> bool:
        """Whether `value` is worse than the best 1/`eta` of the `recorded` values of the same rung."""
        if not recorded:
            return False
        better = sign(self.goal)
        cutoff = np.percentile(better * np.asarray(recorded), (1 - 1 / self.eta) * 100)
        return bool(better * value < cutoff)


def value_at(curve: Curve, rung: float, following: float) -> float | None:
    """The value with which a trial entered `rung`, its first one from there up to the `following` rung; None if it has
    none there.
    """
    first = math.ceil(rung)
    if first < following and first in curve:  # as good as always, and thousands of curves are asked
        return curve[first]
    entered = [epoch for epoch in curve if rung <= epoch < following]
    return curve[min(entered)] if entered else None
