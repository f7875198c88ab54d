"""Asynchronous Hyperband: several brackets of successive halving, each starting at a later epoch than the one before.

Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization" (JMLR 18, 2018), for the number of
trials in each bracket. Within a bracket `Asha` decides, as in Ray Tune's `ASHAScheduler(brackets=n)`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from sweeps.pruners.asha import Asha
from sweeps.pruners.base import Curve
from sweeps.stats.goal import Goal

GOLDEN = (math.sqrt(5) - 1) / 2
"""Multiples of it modulo 1 are spread evenly over [0, 1), however many there are."""


@dataclass(frozen=True)
class Hyperband:
    """Bracket s has its first rung at `min_iter · etaˢ`. Trials are compared within their bracket only.

    Attributes:
        min_iter: The epochs of the first rung of the first bracket.
        max_iter: The epochs of a full trial.
        eta: The ratio of successive rungs, and of the trials at them.
        goal: The direction of the metric.
        brackets: The number of brackets; None: all that fit below `max_iter`, and one that stops no trial.
    """

    min_iter: int
    max_iter: int
    eta: int
    goal: Goal
    brackets: int | None = None

    @property
    def ladders(self) -> tuple[Asha, ...]:
        """The rungs of each bracket, the one that stops earliest first."""
        most = len(Asha(self.min_iter, self.max_iter, self.eta, self.goal).rungs)
        starts = (self.min_iter * self.eta**s for s in range(min(most, self.brackets or most)))
        return tuple(Asha(start, self.max_iter, self.eta, self.goal) for start in starts)

    @property
    def shares(self) -> tuple[float, ...]:
        """The fraction of the trials in each bracket, with which all brackets train about as many epochs."""
        most = len(Asha(self.min_iter, self.max_iter, self.eta, self.goal).rungs)
        # n of Hyperband's algorithm 1, s from the largest down.
        sizes = [math.ceil(most * self.eta**s / (s + 1)) for s in reversed(range(most))][: len(self.ladders)]
        return tuple(size / sum(sizes) for size in sizes)

    def bracket(self, number: int) -> int:
        """Return the bracket of a trial, from its number alone, so that it is the same after a restart."""
        bounds = list(accumulate(self.shares))[:-1]
        return bisect_right(bounds, number * GOLDEN % 1)

    def stops(self, number: int, curves: Mapping[int, Curve]) -> bool:
        """Return whether a trial is behind the others of its bracket at the rung that it has just reached."""
        bracket = self.bracket(number)
        mates = (curve for other, curve in curves.items() if other != number and self.bracket(other) == bracket)
        return self.ladders[bracket].behind(curves[number], mates)

    def why(self, epoch: int) -> str:
        """Return the reason: the rung."""
        return f"behind in its bracket at the rung of epoch {epoch}"

    def judged(self, epochs: int) -> tuple[int, ...]:
        """Return the epochs of the rungs of all brackets; those of the first bracket include the others'."""
        return self.ladders[0].judged(epochs)
