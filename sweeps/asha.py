"""The decision to stop a trial early: asynchronous successive halving, as a pure function.

Li et al., "A System for Massively Parallel Hyperparameter Tuning" (MLSys 2020), in the stopping variant that Ray Tune's
`ASHAScheduler` runs: with one bracket both decide alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Goal = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Asha:
    """Rungs at `min_iter · etaᵏ` epochs up to `max_iter`; at each the best 1/`eta` of the trials go on."""

    min_iter: int
    max_iter: int
    eta: float
    goal: Goal

    @property
    def rungs(self) -> tuple[float, ...]:
        """The rungs in epochs, ascending; not every one is whole when `eta` is not."""
        count = int(np.log(self.max_iter / self.min_iter) / np.log(self.eta) + 1)
        return tuple(self.min_iter * self.eta**k for k in range(count))

    def stops(self, curve: Mapping[int, float], others: Iterable[Mapping[int, float]]) -> bool:
        """Whether the trial with `curve` (epoch -> metric) stops at its last epoch, given the other trials' curves.

        Curves hold what was recorded so far, so the answer depends on the order in which results arrived, as in any
        asynchronous method. At `max_iter` a trial has ended by itself and is never stopped.
        """
        epoch = max(curve)
        rung = self.rung_reached(curve, epoch)
        if epoch >= self.max_iter or rung is None:
            return False
        recorded = [value for other in others if (value := value_at(other, rung, self.rungs)) is not None]
        return self.below_cutoff(curve[epoch], recorded)

    def rung_reached(self, curve: Mapping[int, float], epoch: int) -> float | None:
        """The highest rung at or below `epoch`, if the trial reaches it at this very epoch and not earlier."""
        rung = max((rung for rung in self.rungs if rung <= epoch), default=None)
        if rung is None or any(rung <= earlier < epoch for earlier in curve):
            return None
        return rung

    def below_cutoff(self, value: float, recorded: list[float]) -> bool:
        """Whether `value` is worse than the best 1/`eta` of the `recorded` values of the same rung."""
        if not recorded:
            return False
        sign = 1.0 if self.goal == "maximize" else -1.0
        cutoff = np.percentile(sign * np.asarray(recorded), (1 - 1 / self.eta) * 100)
        return bool(sign * value < cutoff)


def value_at(curve: Mapping[int, float], rung: float, rungs: Iterable[float]) -> float | None:
    """The value with which a trial entered `rung`, its first one from there up to the next rung; None if it did not."""
    following = min((other for other in rungs if other > rung), default=float("inf"))
    entered = [epoch for epoch in curve if rung <= epoch < following]
    return curve[min(entered)] if entered else None
