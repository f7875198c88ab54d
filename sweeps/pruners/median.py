"""The median stopping rule.

Golovin et al., "Google Vizier: A Service for Black-Box Optimization" (KDD 2017): a trial stops at an epoch where its
best value so far is worse than the median of the other trials' running averages up to that epoch. It decides as Ray
Tune's `MedianStoppingRule`, which compares with all trials that have come so far, stopped ones included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sweeps.pruners.base import Curve
from sweeps.stats.goal import Goal, sign


@dataclass(frozen=True)
class Median:
    """Stops trials that are worse than the median of the others.

    Attributes:
        min_iter: No trial stops before this epoch. Averages start at it too.
        min_trials: No trial stops before this many others have come as far.
        goal: The direction of the metric.
    """

    min_iter: int
    min_trials: int
    goal: Goal

    def stops(self, number: int, curves: Mapping[int, Curve]) -> bool:
        """Return whether a trial's best value is worse than the median of the others' averages up to its last epoch."""
        curve, better = curves[number], sign(self.goal)
        epoch = max(curve)
        if epoch < self.min_iter:
            return False
        others = (other for key, other in curves.items() if key != number and max(other, default=0) >= epoch)
        means = [mean for other in others if (mean := self._mean(other, epoch)) is not None]
        if len(means) < self.min_trials:
            return False
        best = max(better * value for value in curve.values())
        return bool(best < better * np.median(means))

    def why(self, epoch: int) -> str:
        """Return the reason: the epoch."""
        return f"worse than the median of the others at epoch {epoch}"

    def judged(self, epochs: int) -> tuple[int, ...]:
        """Return every epoch from `min_iter` on except the last, where a trial ends by itself."""
        return tuple(range(self.min_iter, epochs))

    def _mean(self, curve: Curve, epoch: int) -> float | None:
        values = [value for reached, value in curve.items() if self.min_iter <= reached <= epoch]
        return sum(values) / len(values) if values else None
