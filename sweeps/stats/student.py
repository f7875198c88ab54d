"""Student's t for the mean of repeated runs: intervals and tests, for one sample or for many at once.

Only `scipy.special` is imported, because `scipy.stats` takes seconds longer and `sweep plan` should answer at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sweeps.stats.alpha import ALPHA
from sweeps.stats.signs import sign_flip

Array = NDArray[np.float64]
# A spread below this share of the largest value is rounding, not variation.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % t interval, `low` to `high`.

    Attributes:
        n: The number of values.
        sd: Their standard deviation, with the divisor n - 1.
    """

    mean: float
    low: float
    high: float
    n: int
    sd: float

    @property
    def df(self) -> int:
        """The degrees of freedom of the interval."""
        return self.n - 1


@dataclass(frozen=True)
class Samples:
    """The t statistics of many samples of equal size. The arrays have the shape of the samples' leading axes.

    Attributes:
        half: Half the width of the 95 % interval.
        t: ±inf for a sample without variance; 0 if its mean is 0 too.
        p: Two-sided.
        df: The degrees of freedom.
    """

    mean: Array
    sd: Array
    half: Array
    t: Array
    p: Array
    df: int


@dataclass(frozen=True)
class Location:
    """The test of one sample's mean against 0.

    Attributes:
        estimate: The mean with its interval.
        df: The degrees of freedom.
        t: None for a sample without variance.
        p: Two-sided.
    """

    estimate: Estimate
    df: int
    t: float | None
    p: float


def quantile(df: int, level: float = ALPHA) -> float:
    """Return the two-sided critical value of t: P(|T| > quantile) = level."""
    return float(special.stdtrit(df, 1 - level / 2))


def samples(differences: Array, first: int | None = None) -> Samples:
    """Test many samples' means against 0.

    A sample without variance has t = ±inf and p = 0, or t = 0 and p = 1 if its mean is 0.

    Args:
        differences: Shape (..., n) with n >= 2, one sample per row of the last axis.
        first: The size of Stein's first stage (1945). Deviation and degrees of freedom are then those of the first
            `first` values; the mean is that of all values.
    """
    n = differences.shape[-1]
    size = first or n
    mean, sd = differences.mean(axis=-1), differences[..., :size].std(axis=-1, ddof=1)
    error = sd / math.sqrt(n)
    without_variance = np.where(mean == 0, 0.0, np.copysign(np.inf, mean))
    t = np.divide(mean, error, out=without_variance, where=error > 0)
    p = 2 * special.stdtr(size - 1, -np.abs(t))
    return Samples(mean, sd, quantile(size - 1) * error, t, p, size - 1)


def location(values: Sequence[float] | Array, first: int | None = None) -> Location:
    """Test one sample's mean against 0.

    If all values are equal there is no t: the interval is one point, and p is that of the sign-flip test, because equal
    values of a few runs do not prove that the variance is 0. If only the first stage has no variance, the variance of
    all values is used.

    Args:
        values: At least two values.
        first: The size of Stein's first stage, as in `samples`.
    """
    array = np.asarray(values, dtype=np.float64)
    if first is not None and constant(array[:first]):
        first = None
    if constant(array):
        mean = float(array.mean()) if np.abs(array).max() > 0 else 0.0
        return Location(Estimate(mean, mean, mean, array.size, 0.0), array.size - 1, None, sign_flip(array).p)
    tested = samples(array, first)
    mean, half = float(tested.mean), float(tested.half)
    estimate = Estimate(mean, mean - half, mean + half, array.size, float(tested.sd))
    return Location(estimate, tested.df, float(tested.t), float(tested.p))


def interval(values: Sequence[float] | Array) -> Estimate | None:
    """Return the mean of `values` with its 95 % t interval; None below two values."""
    return location(values).estimate if len(values) >= 2 else None


def constant(values: Array) -> bool:
    """Whether the values are equal up to rounding."""
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())


def simultaneous(estimate: Estimate, family: int, df: int | None = None) -> tuple[float, float]:
    """Return the Bonferroni interval: all intervals of the family cover together with a probability of at least 95 %.

    Args:
        estimate: The mean with its own 95 % interval.
        family: How many intervals the family has.
        df: The degrees of freedom of the interval; n - 1 by default.

    Returns:
        The lower and the upper end.
    """
    freedom = estimate.df if df is None else df
    half = (estimate.high - estimate.low) / 2 * quantile(freedom, ALPHA / family) / quantile(freedom)
    return estimate.mean - half, estimate.mean + half
