"""Hyperband, asynchronous: several ladders of successive halving, the later ones starting at later epochs.

Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization" (JMLR 18, 2018): how many
configurations each bracket has. Within a bracket `Asha` decides, as in Ray Tune's `ASHAScheduler(brackets=n)`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from sweeps.pruners.asha import Asha
from sweeps.pruners.base import Curve, Goal

GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples modulo 1 are spread evenly, however many there are


@dataclass(frozen=True)
class Hyperband:
    """Bracket s halves from `min_iter · etaˢ` epochs on; trials are compared within their bracket only.

    `brackets` is how many there are; None: all that fit below `max_iter`, and one that stops nobody.
    """

    min_iter: int
    max_iter: int
    eta: int
    goal: Goal
    brackets: int | None = None

    @property
    def ladders(self) -> tuple[Asha, ...]:
        """The ladder of each bracket, the one that stops earliest first."""
        most = len(Asha(self.min_iter, self.max_iter, self.eta, self.goal).rungs)
        starts = (self.min_iter * self.eta**s for s in range(min(most, self.brackets or most)))
        return tuple(Asha(start, self.max_iter, self.eta, self.goal) for start in starts)

    @property
    def shares(self) -> tuple[float, ...]:
        """The part of the trials in each bracket: such that all brackets train for about as many epochs."""
        most = len(Asha(self.min_iter, self.max_iter, self.eta, self.goal).rungs)
        sizes = [math.ceil(most * self.eta**s / (s + 1)) for s in reversed(range(most))][: len(self.ladders)]
        return tuple(size / sum(sizes) for size in sizes)

    def bracket(self, number: int) -> int:
        """The bracket of trial `number`: a function of the number alone, so that a restart finds the same."""
        reached = list(accumulate(self.shares))[:-1]
        return bisect_right(reached, number * GOLDEN % 1)

    def stops(self, number: int, curves: Mapping[int, Curve]) -> bool:
        """Whether a trial is behind the others of its bracket at the rung that it has just reached."""
        own = self.bracket(number)
        mates = (curve for other, curve in curves.items() if other != number and self.bracket(other) == own)
        return self.ladders[own].behind(curves[number], mates)

    def why(self, epoch: int) -> str:
        """The rung."""
        return f"behind in its bracket at the rung of epoch {epoch}"

    def judged(self, epochs: int) -> tuple[int, ...]:
        """The rungs of all brackets."""
        return self.ladders[0].judged(epochs)
