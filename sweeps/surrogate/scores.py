"""Values of a metric as normal scores, which no scale and no outlier affects, and scores as values again."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from sweeps.surrogate.axes import Floats

BEYOND = 1.0
"""How far a score may be beyond the extreme ones and still be another value."""


class NormalScores:
    """The monotone map between values and their normal scores.

    Args:
        values: The n >= 1 values, all finite; larger is better.
    """

    def __init__(self, values: Floats) -> None:
        self._values, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        middle = np.cumsum(counts) - counts / 2  # ties share the middle of their places
        self._scores = ndtri(middle / len(values))
        self.scores: Floats = self._scores[inverse]
        """The score of each value, (n,)."""

    def value(self, scores: Floats) -> Floats:
        """Return the values at scores of any shape: between neighbours, and a little beyond the extremes."""
        inside = np.interp(scores, self._scores, self._values)
        above = np.clip(scores - self._scores[-1], 0.0, BEYOND)
        below = np.clip(self._scores[0] - scores, 0.0, BEYOND)
        return np.asarray(inside + above * self._slope(-1) - below * self._slope(0))

    def _slope(self, extreme: int) -> float:
        """How values go on beyond an extreme: as they do over the quarter of the scores next to it."""
        if len(self._scores) < 2:
            return 0.0
        quarter = self._scores[0] + (0.75 if extreme else 0.25) * (self._scores[-1] - self._scores[0])
        rise = self._values[extreme] - np.interp(quarter, self._scores, self._values)
        return float(rise / (self._scores[extreme] - quarter))
