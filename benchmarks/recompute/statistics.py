"""The statistics of a report by scipy and statsmodels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

Array = NDArray[np.float64]
LEVEL, POWER = 0.05, 0.8
EQUAL = 1e-12  # values that differ by less, relative to the largest, are equal
EXACT_FLIPS = 20  # differences up to which every sign flip is counted
FLIPS = 100_000  # random flips beyond
NODES = np.polynomial.legendre.leggauss(200)  # of each panel of an integral


@dataclass(frozen=True)
class Mean:
    """The mean of a sample with its standard error and degrees of freedom. Without an error there is no t."""

    mean: float
    error: float
    df: int
    n: int
    sd: float

    @property
    def t(self) -> float | None:
        """Student's statistic; None without variance."""
        return self.mean / self.error if self.error > 0 else None

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return Student's interval."""
        half = float(stats.t.isf(level / 2, self.df)) * self.error
        return self.mean - half, self.mean + half


def mean_of(values: Sequence[float] | Array, first: int | None = None, floor: float = 0.0) -> Mean:
    """Return the mean of at least two values.

    Args:
        values: The values.
        first: The size of Stein's first stage, whose deviation then counts.
        floor: The smallest deviation, that of rounding.
    """
    array = np.asarray(values, dtype=np.float64)
    if first is not None and (not 2 <= first < array.size or equal(array[:first])):
        first = None
    part = array if first is None else array[:first]
    sd = max(0.0 if equal(array) else float(stats.tstd(part)), floor)
    mean = 0.0 if equal(array) and not array.any() else float(np.mean(array))
    return Mean(mean, sd / math.sqrt(array.size), part.size - 1, array.size, sd)


def equal(array: Array) -> bool:
    """Whether all values are equal up to rounding."""
    return float(np.ptp(array)) <= EQUAL * float(np.abs(array).max())


def p_of(mean: Mean, values: Sequence[float] | Array) -> float:
    """Return the two-sided p of the t test; that of the sign-flip test where all values are equal."""
    return sign_flip(values) if mean.t is None else float(2 * stats.t.sf(abs(mean.t), mean.df))


def differences(reference: Sequence[float], value: Sequence[float]) -> Array:
    """Return value minus reference, with differences that are only rounding set to 0."""
    before, after = np.asarray(reference, float), np.asarray(value, float)
    raw, rounding = after - before, EQUAL * max(np.abs(before).max(), np.abs(after).max())
    raw[np.abs(raw) <= rounding] = 0.0
    return np.full_like(raw, raw.mean()) if np.ptp(raw) <= rounding else raw


def sign_flip(values: Sequence[float] | Array) -> float:
    """Return the share of all choices of signs whose sum is at least as far from 0 as the observed one."""
    array = np.asarray(values, dtype=np.float64)
    least = abs(array.sum()) - 1e-9 * np.abs(array).sum()
    hits = 0
    for head in itertools.product((1.0, -1.0), repeat=min(8, array.size)):
        rest = [array[len(head) :] @ np.array(tail) for tail in _signs(array.size - len(head))]
        hits += int((np.abs(np.dot(head, array[: len(head)]) + np.array(rest)) >= least).sum())
    return float(hits / 2.0**array.size)


def _signs(number: int) -> Sequence[tuple[float, ...]]:
    return list(itertools.product((1.0, -1.0), repeat=number))


def smallest_sign_flip(n: int) -> float:
    """Return the smallest p that a sign-flip test of n differences can reach."""
    return 2.0 / 2.0**n if n <= EXACT_FLIPS else 1 / (1 + FLIPS)


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values."""
    return [float(value) for value in multipletests(p, method="holm")[1]] if len(p) else []


def holm_steps(p: Sequence[float]) -> list[int]:
    """Return over how many hypotheses Holm's procedure corrects when it decides on each p."""
    rejected = sum(value < LEVEL for value in holm(p))
    ranks = stats.rankdata(p, method="ordinal").astype(int) - 1
    return [len(p) - min(int(rank), rejected) for rank in ranks]


def rounding(step: float, figures: int) -> float:
    """Return the standard deviation that rounding to multiples of `step` gives to a sum of figures."""
    return step * math.sqrt(figures / 12)


def noncentral_cdf(t: float, df: int, noncentrality: float) -> float:
    """Return P(T <= t) of the noncentral t distribution, by integration over the chi distribution of the deviation.

    Where the probability given the deviation steps from 0 to 1, the integral has a panel of its own.
    """
    low, high = stats.chi.ppf([1e-14, 1 - 1e-14], df)
    step = math.sqrt(df) / t if t else math.inf
    around = (noncentrality * step + side * 9 * abs(step) for side in (-1, 1)) if t else ()
    edges = sorted({low, high, *(min(max(place, low), high) for place in around)})
    return sum(_panel(t / math.sqrt(df), df, noncentrality, *ends) for ends in itertools.pairwise(edges))


def _panel(slope: float, df: int, noncentrality: float, low: float, high: float) -> float:
    chi, weights = (low + high) / 2 + (high - low) / 2 * NODES[0], (high - low) / 2 * NODES[1]
    density = np.exp((df - 1) * np.log(chi) - chi**2 / 2 - (df / 2 - 1) * math.log(2) - special.gammaln(df / 2))
    return float(weights @ (special.ndtr(slope * chi - noncentrality) * density))


def noncentrality(t: float, df: int, p: float) -> float:
    """Return the noncentrality with P(T <= t) = p."""
    reach = 10 + 5 * abs(t)
    return float(optimize.brentq(lambda delta: noncentral_cdf(t, df, delta) - p, -reach, reach, xtol=1e-10, rtol=1e-12))


def detectable(mean: Mean, comparisons: int = 1) -> float:
    """Return the difference found with 80 % power by the two-sided t test at 5 % over the number of comparisons."""
    critical = float(stats.t.isf(LEVEL / max(1, comparisons) / 2, mean.df))
    return noncentrality(critical, mean.df, 1 - POWER) * mean.sd / math.sqrt(mean.n)


def equivalence(mean: Mean, margin: float) -> float:
    """Return the larger p of the two one-sided t tests against the margins."""
    if mean.error == 0:
        return 0.5**mean.n if abs(mean.mean) < margin else 1.0
    upper = stats.t.cdf((mean.mean - margin) / mean.error, mean.df)
    lower = stats.t.sf((mean.mean + margin) / mean.error, mean.df)
    return float(max(upper, lower))


def standardized(values: Array) -> tuple[float, float, float] | None:
    """Return d_z of all values with its interval from the noncentral t; None without variance."""
    mean, root = mean_of(values), math.sqrt(len(values))
    if mean.t is None:
        return None
    ends = (noncentrality(mean.t, mean.df, p) / root for p in (1 - LEVEL / 2, LEVEL / 2))
    return (mean.t / root, *ends)


def share(successes: float, n: int) -> tuple[float, float, float]:
    """Return a share with its Clopper-Pearson interval; half a success widens it on both sides."""
    low, _ = proportion_confint(math.floor(successes), n, alpha=LEVEL, method="beta")
    _, high = proportion_confint(math.ceil(successes), n, alpha=LEVEL, method="beta")
    return successes / n, 0.0 if math.floor(successes) == 0 else float(low), 1.0 if math.ceil(successes) == n else high


def correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return Pearson's correlation; None where a column has no variance."""
    if equal(np.asarray(one, float)) or equal(np.asarray(other, float)):
        return None
    return float(stats.pearsonr(one, other).statistic)


def factorial(
    values: Array, lacks: Sequence[frozenset[str]], components: Sequence[str]
) -> dict[tuple[str, ...], Array]:
    """Return the effects of each seed, by components: one for a main effect, two for an interaction.

    Args:
        values: Shape (seeds, arms).
        lacks: The components that each arm lacks.
        components: The components in the order of the study file.
    """
    signs = {name: np.array([-1.0 if name in gone else 1.0 for gone in lacks]) for name in components}
    terms = [(name,) for name in components] + list(itertools.combinations(components, 2))
    columns: dict[tuple[str, ...], Array] = {}
    for term in terms:
        column = np.prod([signs[name] for name in term], axis=0)
        if np.ptp(column) and not any(abs(column @ other) == column.size for other in columns.values()):
            columns[term] = column
    model = np.column_stack([np.ones(len(lacks)), *columns.values()])
    coefficients = np.linalg.lstsq(model, values.T, rcond=None)[0]  # least squares for all seeds at once
    return {term: 2 * row for term, row in zip(columns, coefficients[1:], strict=True)}
