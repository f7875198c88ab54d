"""The exact interval of a share of trials (Clopper and Pearson 1934)."""

from __future__ import annotations

import math

from scipy import special

from sweeps.stats.alpha import ALPHA


def share_interval(successes: float, n: int, level: float = ALPHA) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share. Its coverage is at least 1 - level, 95 % by default.

    Args:
        successes: From 0 to n. Half a success, from a tie, widens the interval to the whole counts on both sides.
        n: The number of trials.
        level: The largest probability that the interval misses the true share.

    Returns:
        The lower and the upper end, from 0 to 1.

    Raises:
        ValueError: `successes` is not from 0 to n, or n is below 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"a share needs 0 to n successes of n >= 1 but got {successes} of {n}")
    below, above = math.floor(successes), math.ceil(successes)
    low = 0.0 if below == 0 else float(special.betaincinv(below, n - below + 1, level / 2))
    high = 1.0 if above == n else float(special.betaincinv(above + 1, n - above, 1 - level / 2))
    return low, high


def share_bound(successes: int, n: int, level: float = ALPHA) -> float:
    """Return the one-sided Clopper-Pearson bound that the true share exceeds with a probability of at most `level`.

    For 0 of n successes it is 1 - level^(1/n): 39 % for 0 of 6.

    Raises:
        ValueError: As in `share_interval`.
    """
    return share_interval(successes, n, 2 * level)[1]
