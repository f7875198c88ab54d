"""What n pairs can find: power of the two-sided 5 % paired t test, the detectable difference, the n needed.

Power is exact for normal differences: under a difference d, t is noncentral with d / sd * sqrt(n).
"""

from __future__ import annotations

import math

from scipy import special

from sweeps.stats.student import quantile

POWER = 0.8
MOST_PAIRS = 1_000_000


def power(difference: float, sd: float, n: int, df: int | None = None) -> float:
    """P(p < 0.05) when the true difference is `difference`, for n pairs whose differences deviate by `sd`.

    `df` are the degrees of freedom of the deviation, n - 1 unless given. Without deviation a difference is always seen.
    """
    _check(sd, n)
    if sd == 0:
        return 1.0 if difference else 0.05
    freedom = n - 1 if df is None else df
    critical, shift = quantile(freedom), abs(difference) / sd * math.sqrt(n)
    return float(1 - special.nctdtr(freedom, shift, critical) + special.nctdtr(freedom, shift, -critical))


def detectable(sd: float, n: int, df: int | None = None) -> float:
    """The difference that is found with 80 % power. The tail on the wrong side, below 0.001 %, is left out."""
    _check(sd, n)
    freedom = n - 1 if df is None else df
    return float(special.nctdtrinc(freedom, 1 - POWER, quantile(freedom))) * sd / math.sqrt(n)


def needed_n(difference: float, sd: float) -> int:
    """The fewest pairs, at least 2, that find `difference` with 80 % power. Raises ValueError for no difference."""
    if difference == 0:
        raise ValueError("no number of pairs finds a difference of 0")
    low, high = 1, 2
    while power(difference, sd, high) < POWER:
        low, high = high, 2 * high
        if low > MOST_PAIRS:
            raise ValueError(f"a difference of {difference} at a deviation of {sd} needs over {MOST_PAIRS:,} pairs")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(difference, sd, middle) >= POWER else (middle, high)
    return high


def _check(sd: float, n: int) -> None:
    if sd < 0 or n < 2:
        raise ValueError(f"power needs a deviation of at least 0 and at least 2 pairs but got {sd} and {n}")
