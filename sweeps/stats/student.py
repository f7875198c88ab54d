"""Student's t for the mean of repeated runs: intervals and tests, for one sample or for many at once.

Only `scipy.special` is imported: `scipy.stats` takes seconds more, and `sweep plan` is to answer at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sweeps.stats.signs import sign_flip

Array = NDArray[np.float64]
LEVEL = 0.05
# Below this share of the largest figure, a spread is rounding and not variation.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % t interval `low` to `high`, over `n` values whose deviation is `sd` (divisor n - 1)."""

    mean: float
    low: float
    high: float
    n: int
    sd: float

    @property
    def df(self) -> int:
        """Degrees of freedom of the interval."""
        return self.n - 1


@dataclass(frozen=True)
class Samples:
    """t statistics of several samples of equal size: arrays of the leading shape; `half` is half the 95 % interval."""

    mean: Array
    sd: Array
    half: Array
    t: Array
    p: Array
    df: int


@dataclass(frozen=True)
class Location:
    """One sample's mean against 0: the interval, `df`, `t` (None where the sample has no variance) and `p`."""

    estimate: Estimate
    df: int
    t: float | None
    p: float


def quantile(df: int, level: float = LEVEL) -> float:
    """The two-sided critical value of t: P(|T| > quantile) = level."""
    return float(special.stdtrit(df, 1 - level / 2))


def samples(differences: Array, first: int | None = None) -> Samples:
    """Two-sided t statistics over the last axis of `differences`, shape (..., n), n >= 2.

    With `first`, deviation and degrees of freedom are those of the first `first` values (Stein 1945), the mean is that
    of all. A sample without variance has t = ±inf and p = 0, or t = 0 and p = 1 where its mean is 0.
    """
    n = differences.shape[-1]
    size = first or n
    mean, sd = differences.mean(axis=-1), differences[..., :size].std(axis=-1, ddof=1)
    error = sd / math.sqrt(n)
    flat = np.where(mean == 0, 0.0, np.copysign(np.inf, mean))
    t = np.divide(mean, error, out=flat, where=error > 0)
    p = 2 * special.stdtr(size - 1, -np.abs(t))
    return Samples(mean, sd, quantile(size - 1) * error, t, p, size - 1)


def location(values: Sequence[float] | Array, first: int | None = None) -> Location:
    """One sample of at least two values against 0.

    Values that are all equal have no t: the interval is that value alone, and p is the sign-flip test's, because a zero
    deviation over a handful of runs does not prove that there is none (p = 1 where they are all 0). Where only the
    first stage has no variance, that of all values is used.
    """
    array = np.asarray(values, dtype=np.float64)
    if first is not None and constant(array[:first]):
        first = None
    if constant(array):
        mean = float(array.mean()) if np.abs(array).max() > 0 else 0.0
        return Location(Estimate(mean, mean, mean, array.size, 0.0), array.size - 1, None, sign_flip(array).p)
    found = samples(array, first)
    mean, half = float(found.mean), float(found.half)
    estimate = Estimate(mean, mean - half, mean + half, array.size, float(found.sd))
    return Location(estimate, found.df, float(found.t), float(found.p))


def interval(values: Sequence[float] | Array) -> Estimate | None:
    """The mean of `values` with its 95 % t interval; None below two values."""
    return location(values).estimate if len(values) >= 2 else None


def constant(values: Array) -> bool:
    """Whether the values are equal up to rounding."""
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())


def simultaneous(estimate: Estimate, family: int, df: int | None = None) -> tuple[float, float]:
    """The Bonferroni interval: with the others of its `family`, all hold together with at least 95 %."""
    known = estimate.df if df is None else df
    half = (estimate.high - estimate.low) / 2 * quantile(known, LEVEL / family) / quantile(known)
    return estimate.mean - half, estimate.mean + half
