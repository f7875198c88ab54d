"""Stein's two-stage procedure (1945): the variance of a first stage fixes the total number of pairs.

The interval keeps the variance of the first stage and its degrees of freedom; the later pairs change the mean only. So
it covers 95 % whatever the true variance is. Stopping as soon as the interval looks narrow would not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sweeps.stats.student import Array, quantile


def stein_total(first: Sequence[float], precision: float, maximum: int) -> int:
    """Return how many pairs in total make the 95 % interval at most ±`precision`.

    Args:
        first: The differences of the first stage, at least two.
        precision: Half the width of the interval, in the units of `first`; above 0.
        maximum: The largest total.

    Raises:
        ValueError: `first` is too short, or `precision` is not above 0.
    """
    return int(stein_totals(np.asarray(first, dtype=np.float64), precision, maximum))


def stein_totals(first: Array, precision: float, maximum: int) -> NDArray[np.int64]:
    """Compute `stein_total` of many first stages at once: shape (..., n) to integers of shape (...)."""
    n = first.shape[-1]
    _check(n, precision)
    needed = (quantile(n - 1) * first.std(axis=-1, ddof=1) / precision) ** 2
    # 1 - 1e-12: rounding must not add a pair to a total that is whole. 1e15 still fits an integer.
    totals = np.ceil(np.minimum(needed, 1e15) * (1 - 1e-12))
    return np.asarray(np.clip(totals, n, max(n, maximum)), dtype=np.int64)


def expected_n(sd: float, precision: float, minimum: int, maximum: int) -> float:
    """Return the expected total of `stein_total` for normal differences.

    The first stage's variance is sd² times chi² over its degrees of freedom. So the probability that more than k pairs
    are needed is a tail of chi², and the expectation is the sum of these tails.

    Args:
        sd: The true standard deviation of the differences.
        precision: As in `stein_total`.
        minimum: The size of the first stage, at least 2.
        maximum: The largest total.

    Raises:
        ValueError: `minimum` is below 2, or `precision` is not above 0.
    """
    _check(minimum, precision)
    df = minimum - 1
    scale = (quantile(df) * sd / precision) ** 2 / df
    tails = (float(special.chdtrc(df, pairs / scale)) for pairs in range(minimum, maximum)) if scale > 0 else ()
    return minimum + math.fsum(tails)


def _check(n: int, precision: float) -> None:
    if n < 2:
        raise ValueError(f"the first stage needs at least 2 pairs but got {n}")
    if not precision > 0:
        raise ValueError(f"precision must be above 0 but got {precision}")
