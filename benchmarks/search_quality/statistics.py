"""Intervals of medians and corrected tests: numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence

CONFIDENCE = 0.95


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the distribution-free interval of the median, between two order statistics, with at least CONFIDENCE."""
    ordered, n = sorted(values), len(values)
    cut = 0
    while 2 * sum(math.comb(n, k) for k in range(cut + 1)) / 2**n <= 1 - CONFIDENCE:
        cut += 1
    place = max(0, cut - 1)
    return ordered[place], ordered[n - 1 - place]
