"""A share of trials and its exact interval (Clopper and Pearson 1934)."""

from __future__ import annotations

import math

from scipy import special

from sweeps.stats.student import LEVEL


def share_interval(successes: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The Clopper-Pearson interval of a share, 95 % at the default level; it covers at least that often.

    Half a success (a tie) widens the interval to the whole counts beside it. Raises ValueError outside of 0 to n.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"a share needs 0 to n successes of n >= 1 but got {successes} of {n}")
    below, above = math.floor(successes), math.ceil(successes)
    low = 0.0 if below == 0 else float(special.betaincinv(below, n - below + 1, level / 2))
    high = 1.0 if above == n else float(special.betaincinv(above + 1, n - above, 1 - level / 2))
    return low, high
