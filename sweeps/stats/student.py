"""Student's t for the mean of repeated runs: intervals and tests, for one sample or for many at once.

A figure with a resolution, such as an accuracy over 1,500 images, is a rounded one. Rounding to steps of h has the
variance h² / 12, which is the floor of the variance of such figures: equal values of few runs do not show that there is
none.

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
FEWEST_RUNS = 3  # for the interval of a mean of runs: the spread of two is hardly known
# A spread below this share of the largest value is rounding, not variation.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % t interval, `low` to `high`.

    Attributes:
        low: The lower end; nan without an interval, where all values are equal and their resolution is not known.
        high: The upper end; nan without an interval.
        n: The number of values.
        sd: Their standard deviation, with the divisor n - 1, or its floor (see `location`).
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

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)


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
        floored: Whether the deviation is the floor, because the values spread less.
    """

    estimate: Estimate
    df: int
    t: float | None
    p: float
    floored: bool = False


def rounding_sd(resolution: float, weights: Sequence[float] | Array) -> float:
    """Return the standard deviation that rounding gives to a weighted sum of figures.

    Each figure is rounded to a multiple of `resolution`; the error is uniform over one step, with the variance
    resolution² / 12 (Sheppard 1898). A difference of two figures has the weights 1 and -1.
    """
    return resolution * math.sqrt(float(np.square(weights).sum()) / 12)


def quantile(df: int, level: float = ALPHA) -> float:
    """Return the two-sided critical value of t: P(|T| > quantile) = level."""
    return float(special.stdtrit(df, 1 - level / 2))


def samples(differences: Array, first: int | None = None, floor: float = 0.0) -> Samples:
    """Test many samples' means against 0.

    A sample without variance has t = ±inf and p = 0, or t = 0 and p = 1 if its mean is 0.

    Args:
        differences: Shape (..., n) with n >= 2, one sample per row of the last axis.
        first: The size of Stein's first stage (1945). Deviation and degrees of freedom are then those of the first
            `first` values; the mean is that of all values.
        floor: The smallest standard deviation that a sample can have (`rounding_sd`).
    """
    n = differences.shape[-1]
    size = first or n
    mean, sd = differences.mean(axis=-1), np.maximum(differences[..., :size].std(axis=-1, ddof=1), floor)
    error = sd / math.sqrt(n)
    without_variance = np.where(mean == 0, 0.0, np.copysign(np.inf, mean))
    t = np.divide(mean, error, out=without_variance, where=error > 0)
    p = 2 * special.stdtr(size - 1, -np.abs(t))
    return Samples(mean, sd, quantile(size - 1) * error, t, p, size - 1)


def location(values: Sequence[float] | Array, first: int | None = None, floor: float = 0.0) -> Location:
    """Test one sample's mean against 0.

    If all values are equal and no floor is known, there is neither t nor interval, and p is that of the sign-flip test:
    equal values of a few runs do not prove that the variance is 0. If only the first stage has no variance, the
    variance of all values is used.

    Args:
        values: At least two values.
        first: The size of Stein's first stage, as in `samples`.
        floor: The smallest standard deviation that the values can have (`rounding_sd`); 0 if it is not known.
    """
    array = np.asarray(values, dtype=np.float64)
    if first is not None and constant(array[:first]):
        first = None
    if constant(array) and not floor:
        mean = float(array.mean()) if np.abs(array).max() > 0 else 0.0
        return Location(Estimate(mean, math.nan, math.nan, array.size, 0.0), array.size - 1, None, sign_flip(array).p)
    tested = samples(array, first, floor)
    mean, half = float(tested.mean), float(tested.half)
    estimate = Estimate(mean, mean - half, mean + half, array.size, float(tested.sd))
    return Location(estimate, tested.df, float(tested.t), float(tested.p), estimate.sd == floor)


def interval(values: Sequence[float] | Array, resolution: float | None = None) -> Estimate | None:
    """Return the mean of the figures of runs with its 95 % t interval.

    Args:
        values: The figures.
        resolution: The step to which they are rounded; None if it is not known.

    Returns:
        None without an interval: below three figures, or if all are equal and their resolution is not known.
    """
    if len(values) < FEWEST_RUNS:
        return None
    estimate = location(values, floor=rounding_sd(resolution or 0.0, [1.0])).estimate
    return estimate if estimate.has_interval else None


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
    return interval_at(estimate, ALPHA / family, df)


def interval_at(estimate: Estimate, level: float, df: int | None = None) -> tuple[float, float]:
    """Return the ends of the interval with the coverage 1 - `level`; both nan if the estimate has no interval.

    Args:
        estimate: The mean with its 95 % interval.
        level: The largest probability that the interval misses the true mean.
        df: The degrees of freedom of the interval; n - 1 by default.
    """
    freedom = estimate.df if df is None else df
    half = (estimate.high - estimate.low) / 2 * quantile(freedom, level) / quantile(freedom)
    return estimate.mean - half, estimate.mean + half
