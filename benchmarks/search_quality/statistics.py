"""Intervals of medians and corrected tests: numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from scipy.stats import wilcoxon

CONFIDENCE = 0.95


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the distribution-free interval of the median, between two order statistics, with at least CONFIDENCE."""
    ordered, n = sorted(values), len(values)
    cut = 0
    while 2 * sum(math.comb(n, k) for k in range(cut + 1)) / 2**n <= 1 - CONFIDENCE:
        cut += 1
    place = max(0, cut - 1)
    return ordered[place], ordered[n - 1 - place]


def signed_rank(differences: Sequence[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test, by Pratt's way with zeros; 1 if there is no difference."""
    if not any(differences):
        return 1.0
    return float(wilcoxon(differences, zero_method="pratt", method="approx").pvalue)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return the p-values corrected for their number by Holm's method."""
    corrected, largest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}
