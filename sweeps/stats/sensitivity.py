"""Power of the two-sided 5 % paired t test, the detectable difference, and the number of pairs needed.

The power is exact for normal differences: with a true difference d, t is noncentral with d / sd * sqrt(n).

In a family of m comparisons, Holm's procedure rejects a hypothesis whenever its p is below 5 % / m, whatever the other
p-values are. So the power at that level is the least that the corrected test has: that of a difference which is the
only real one, but for the rare case that Holm rejects a true hypothesis before it. With other real differences it is
higher.
"""

from __future__ import annotations

import math

from scipy import special

from sweeps.stats.alpha import ALPHA
from sweeps.stats.student import quantile

POWER = 0.8
MOST_PAIRS = 1_000_000


_FAR = 1000.0  # |t| beyond which scipy's search for the noncentrality fails


def power(difference: float, sd: float, n: int, df: int | None = None, family: int = 1) -> float:
    """Return P(p < 0.05 / family) for n pairs. With `sd` 0 every difference is found.

    Args:
        difference: The true mean difference.
        sd: The standard deviation of the differences.
        n: The number of pairs, at least 2.
        df: The degrees of freedom of the deviation; n - 1 by default.
        family: Over how many comparisons Holm's procedure corrects.

    Raises:
        ValueError: `sd` is below 0, or n is below 2.
    """
    _check(sd, n)
    level = ALPHA / max(1, family)
    if sd == 0:
        return 1.0 if difference else level
    freedom = n - 1 if df is None else df
    critical, shift = quantile(freedom, level), abs(difference) / sd * math.sqrt(n)
    return float(1 - special.nctdtr(freedom, shift, critical) + special.nctdtr(freedom, shift, -critical))


def detectable(sd: float, n: int, df: int | None = None, family: int = 1) -> float:
    """Return the difference that n pairs find with 80 % power, in the units of `sd`. Arguments as in `power`."""
    _check(sd, n)
    freedom = n - 1 if df is None else df
    # The test's other tail is left out: below 0.001 % of the power lies on the wrong side.
    return noncentrality(quantile(freedom, ALPHA / max(1, family)), freedom, 1 - POWER) * sd / math.sqrt(n)


def noncentrality(t: float, df: int, p: float) -> float:
    """Return the noncentrality with P(T <= t) = p."""
    if abs(t) <= _FAR:
        return float(special.nctdtrinc(df, p, t))
    # Scipy's search loses digits beyond |t| = 1,000 and does not end for still larger ones. There the unit variance of
    # the numerator is negligible beside the variance of the chi² in the denominator.
    return t * math.sqrt(float(special.chdtri(df, p if t > 0 else 1 - p)) / df)


def needed_n(difference: float, sd: float, family: int = 1) -> int:
    """Return the fewest pairs, at least 2, that find `difference` with 80 % power at the deviation `sd`.

    Holm's procedure corrects over `family` comparisons, as in `power`.

    Raises:
        ValueError: `difference` is 0, `sd` is below 0, or more than a million pairs would be needed.
    """
    if difference == 0:
        raise ValueError("no number of pairs finds a difference of 0")
    low, high = 1, 2
    while power(difference, sd, high, family=family) < POWER:
        low, high = high, 2 * high
        if low > MOST_PAIRS:
            raise ValueError(f"a difference of {difference} at a deviation of {sd} needs over {MOST_PAIRS:,} pairs")
    while high - low > 1:  # bisection: `low` is too few, `high` is enough
        middle = (low + high) // 2
        low, high = (low, middle) if power(difference, sd, middle, family=family) >= POWER else (middle, high)
    return high


def _check(sd: float, n: int) -> None:
    if sd < 0 or n < 2:
        raise ValueError(f"power needs a deviation of at least 0 and at least 2 pairs but got {sd} and {n}")
