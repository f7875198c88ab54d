"""A measured rate or bias, what was promised, and whether it holds."""

from __future__ import annotations

import math
from dataclasses import dataclass

ERRORS = 3.0  # a promise to a whole study is broken by more standard errors than this
ERRORS_OF_MANY = 4.0  # hundreds of settings are simulated at once: one in three of such runs would pass three by chance


@dataclass(frozen=True)
class Check:
    """A simulated rate over `studies`, and the promised one ("" if it is only reported)."""

    name: str
    setting: str
    studies: int
    rate: float
    promise: str
    low: float = 0.0
    high: float = 1.0

    @property
    def error(self) -> float:
        """Return the binomial standard error of the rate."""
        return math.sqrt(self.rate * (1 - self.rate) / self.studies)

    @property
    def holds(self) -> bool:
        """Return whether the rate is within four standard errors of its bounds."""
        slack = [ERRORS_OF_MANY * math.sqrt(bound * (1 - bound) / self.studies) for bound in (self.low, self.high)]
        return not self.promise or self.low - slack[0] <= self.rate <= self.high + slack[1]
