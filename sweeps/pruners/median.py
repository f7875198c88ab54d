"""The median stopping rule.

Golovin et al., "Google Vizier: A Service for Black-Box Optimization" (KDD 2017): a trial stops at an epoch at which its
best value so far is worse than the median of the others' running averages up to there. Decides as Ray Tune's
`MedianStoppingRule` does, which compares with all trials that have come so far, stopped ones included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sweeps.pruners.base import Curve, Goal, sign


@dataclass(frozen=True)
class Median:
    """No trial stops before `min_iter` epochs, nor before `min_trials` others have come as far.

    Averages run from epoch `min_iter` on.
    """

    min_iter: int
    min_trials: int
    goal: Goal

    def stops(self, number: int, curves: Mapping[int, Curve]) -> bool:
        """Whether a trial's best value is worse than the median of the others' averages up to its last epoch."""
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
        """The epoch."""
        return f"worse than the median of the others at epoch {epoch}"

    def judged(self, epochs: int) -> tuple[int, ...]:
        """Every epoch from `min_iter` on; at the last a trial ends by itself."""
        return tuple(range(self.min_iter, epochs))

    def _mean(self, curve: Curve, epoch: int) -> float | None:
        values = [value for reached, value in curve.items() if self.min_iter <= reached <= epoch]
        return sum(values) / len(values) if values else None
