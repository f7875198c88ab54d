"""Combine one estimate per study: the random-effects mean, heterogeneity, and the number of replications."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from sweeps.stats.alpha import ALPHA
from sweeps.stats.student import Array, quantile

_WIDEST = 1e6  # times the spread of the estimates: the largest deviation between studies that is looked for


@dataclass(frozen=True)
class RandomEffects:
    """The mean of the effects of which those of k studies are a sample, in the units of the estimates.

    Attributes:
        k: The number of studies.
        mean: The random-effects mean.
        low: The lower end of its 95 % interval (Hartung-Knapp-Sidik-Jonkman, t with k - 1 degrees of freedom, at least
            as wide as with the known variances).
        high: Its upper end.
        p: Two-sided, that the mean is 0.
        tau: The standard deviation of the effects between studies (Paule and Mandel 1982).
        tau_low: The lower end of its 95 % Q-profile interval (Viechtbauer 2007).
        tau_high: Its upper end.
        i2: The share of the variance of the estimates that lies between studies, from 0 to 1 (Higgins 2003).
        q: Cochran's statistic of heterogeneity.
        q_p: Its p: how often estimates of one common effect differ as much.
        next_low: The lower end of the 95 % prediction interval of the effect in a further study; None below 3 studies.
        next_high: Its upper end.
    """

    k: int
    mean: float
    low: float
    high: float
    p: float
    tau: float
    tau_low: float
    tau_high: float
    i2: float
    q: float
    q_p: float
    next_low: float | None
    next_high: float | None


def random_effects(estimates: Sequence[float], errors: Sequence[float]) -> RandomEffects:
    """Combine the estimates of studies whose effects may differ.

    Args:
        estimates: The effect of each study, shape (k,), at least two.
        errors: The standard error of each, shape (k,), above 0. They are taken as known: with few seeds per study the
            heterogeneity is judged roughly, while the interval of the mean uses the spread of the estimates.

    Raises:
        ValueError: There are fewer than two estimates, or an error is not above 0.
    """
    values, variances = np.asarray(estimates, dtype=np.float64), np.asarray(errors, dtype=np.float64) ** 2
    if values.size < 2 or values.shape != variances.shape or not (variances > 0).all():
        raise ValueError(f"two or more estimates need an error above 0 each but got {estimates} and {errors}")
    k = values.size
    between = _between(values, variances, k - 1.0)
    mean, error = _mean(values, variances, between)
    half = quantile(k - 1) * error
    q = _q(values, variances, 0.0)
    further = quantile(k - 2) * math.sqrt(between + error**2) if k > 2 else None
    return RandomEffects(
        k=k,
        mean=mean,
        low=mean - half,
        high=mean + half,
        p=float(2 * special.stdtr(k - 1, -abs(mean) / error)),
        tau=math.sqrt(between),
        tau_low=math.sqrt(_between(values, variances, float(special.chdtri(k - 1, ALPHA / 2)))),
        tau_high=math.sqrt(_between(values, variances, float(special.chdtri(k - 1, 1 - ALPHA / 2)))),
        i2=max(0.0, (q - (k - 1)) / q) if q > 0 else 0.0,
        q=q,
        q_p=float(special.chdtrc(k - 1, q)),
        next_low=None if further is None else mean - further,
        next_high=None if further is None else mean + further,
    )


def replications(p: Sequence[float], level: float = ALPHA) -> int:
    """Return in how many of the studies, at least, the effect is there.

    This is the count of partial conjunction tests (Dror et al. 2017) with Bonferroni's combination, which holds however
    the studies depend on each other. The probability that the count is too large is at most `level`.

    Args:
        p: A p-value for each study. Use one-sided ones: effects of opposite signs are no replications.
        level: The level of the count.
    """
    ordered = np.sort(np.asarray(p, dtype=np.float64))
    n = ordered.size
    # Of the hypothesis that fewer than u studies have the effect, for u = 1, 2, …: monotone in u.
    conjunction = np.maximum.accumulate(ordered * np.arange(n, 0, -1))
    return int((conjunction <= level).sum())


def _mean(values: Array, variances: Array, between: float) -> tuple[float, float]:
    """The weighted mean and its standard error, which is never below that of known variances."""
    weights = 1 / (variances + between)
    mean = float((weights * values).sum() / weights.sum())
    spread = float((weights * (values - mean) ** 2).sum() / ((values.size - 1) * weights.sum()))
    return mean, math.sqrt(max(spread, 1 / float(weights.sum())))


def _q(values: Array, variances: Array, between: float) -> float:
    weights = 1 / (variances + between)
    mean = (weights * values).sum() / weights.sum()
    return float((weights * (values - mean) ** 2).sum())


def _between(values: Array, variances: Array, target: float) -> float:
    """The variance between studies at which the generalized Q has the value `target`; 0 where it is below at once."""
    if _q(values, variances, 0.0) <= target:
        return 0.0
    widest = (_WIDEST * float(np.ptp(values))) ** 2
    found = optimize.brentq(lambda between: _q(values, variances, between) - target, 0.0, widest, xtol=1e-14)
    return float(found)
