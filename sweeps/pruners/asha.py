"""Asynchronous successive halving.

Li et al., "A System for Massively Parallel Hyperparameter Tuning" (MLSys 2020), in the stopping variant of Ray Tune's
`ASHAScheduler`. It decides as that does with one bracket.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sweeps.pruners.base import Curve
from sweeps.stats.goal import Goal, sign


@dataclass(frozen=True)
class Asha:
    """At each rung, the best 1/`eta` of the trials continue.

    Attributes:
        min_iter: The epochs of the first rung.
        max_iter: The epochs of a full trial. No rung is beyond it.
        eta: The ratio of successive rungs, and of the trials at them.
        goal: The direction of the metric.
    """

    min_iter: float
    max_iter: int
    eta: float
    goal: Goal

    @property
    def rungs(self) -> tuple[float, ...]:
        """The rungs `min_iter · etaᵏ` in epochs, ascending. They are not all whole if `eta` is not."""
        # As Ray computes it, so that both have the same rungs: rounding may drop the last (243 epochs with eta 3).
        count = int(np.log(self.max_iter / self.min_iter) / np.log(self.eta) + 1)
        return tuple(self.min_iter * self.eta**k for k in range(count))

    def stops(self, number: int, curves: Mapping[int, Curve]) -> bool:
        """Return whether a trial is behind the others at the rung that it has just reached.

        The decision depends on the order in which results arrive, as in any asynchronous method.
        """
        return self.behind(curves[number], (curve for other, curve in curves.items() if other != number))

    def why(self, epoch: int) -> str:
        """Return the reason: the rung."""
        return f"behind at the rung of epoch {epoch}"

    def judged(self, epochs: int) -> tuple[int, ...]:
        """Return the epochs of the rungs before the last epoch, where a trial ends by itself."""
        end = min(epochs, self.max_iter)
        return tuple(dict.fromkeys(math.ceil(rung) for rung in self.rungs if rung < end))

    def behind(self, curve: Curve, others: Iterable[Curve]) -> bool:
        """Return whether a trial is worse than the best 1/`eta` of the others at the rung that it has just reached.

        Args:
            curve: The curve of the trial; its last epoch counts. At `max_iter` a trial is never behind.
            others: The curves of the other trials.
        """
        epoch = max(curve)
        rung = self.rung_reached(curve, epoch)
        if epoch >= self.max_iter or rung is None:
            return False
        next_rung = min((other for other in self.rungs if other > rung), default=math.inf)
        recorded = [value for other in others if (value := value_at(other, rung, next_rung)) is not None]
        return self.below_cutoff(curve[epoch], recorded)

    def rung_reached(self, curve: Curve, epoch: int) -> float | None:
        """Return the rung that a trial reaches at `epoch`; None if it reaches none, or reached it before."""
        rung = max((rung for rung in self.rungs if rung <= epoch), default=None)
        if rung is None or any(rung <= earlier < epoch for earlier in curve):
            return None
        return rung

    def below_cutoff(self, value: float, recorded: list[float]) -> bool:
        """Return whether `value` is worse than the best 1/`eta` of the values recorded at the same rung."""
        if not recorded:
            return False
        better = sign(self.goal)
        # An interpolated quantile, as Ray's; the trial's own value is not among those recorded.
        cutoff = np.percentile(better * np.asarray(recorded), (1 - 1 / self.eta) * 100)
        return bool(better * value < cutoff)


def value_at(curve: Curve, rung: float, next_rung: float) -> float | None:
    """Return the first value of a trial from `rung` on and below `next_rung`; None if it has none there."""
    first = math.ceil(rung)
    # Nearly always the trial has a value at this very epoch. The search below is slow over thousands of curves.
    if first < next_rung and first in curve:
        return curve[first]
    entered = [epoch for epoch in curve if rung <= epoch < next_rung]
    return curve[min(entered)] if entered else None
