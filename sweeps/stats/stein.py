"""Stein's two-stage procedure (1945): the variance of a first stage fixes how many pairs there will be.

The interval keeps that first variance and its degrees of freedom, and so covers 95 % whatever the variance is: the
later pairs decide the mean alone. Stopping as soon as the interval looks narrow does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sweeps.stats.student import Array, quantile


def stein_total(first: Sequence[float], precision: float, maximum: int) -> int:
    """How many pairs, those of `first` included, make the 95 % interval at most ±`precision`; `maximum` caps it.

    `first` are the differences of the first stage, in the units of `precision`. Raises ValueError below two of them or
    for a precision that is not above 0.
    """
    return int(stein_totals(np.asarray(first, dtype=np.float64), precision, maximum))


def stein_totals(first: Array, precision: float, maximum: int) -> NDArray[np.int64]:
    """`stein_total` of many first stages at once: shape (..., n) to integers of shape (...)."""
    n = first.shape[-1]
    _check(n, precision)
    needed = (quantile(n - 1) * first.std(axis=-1, ddof=1) / precision) ** 2
    # A total that is whole but for rounding is not worth another pair.
    totals = np.ceil(np.minimum(needed, 1e15) * (1 - 1e-12))
    return np.asarray(np.clip(totals, n, max(n, maximum)), dtype=np.int64)


def expected_n(sd: float, precision: float, minimum: int, maximum: int) -> float:
    """The expected number of pairs when differences are normal with deviation `sd`.

    The first stage's variance is sd² times chi² over its degrees of freedom, so the chance that more than k pairs are
    asked for is a chi² tail; the expectation is the sum of these.
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
