"""Comparisons, means and forecasts with the boundaries of looks after every pair (`sweeps.stats.anytime.looks`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sweeps.stats.alpha import ALPHA
from sweeps.stats.anytime.looks import Looks
from sweeps.stats.pairs import Paired, equivalence_p
from sweeps.stats.sensitivity import POWER, noncentrality
from sweeps.stats.student import Array, Estimate, Location, quantile


def anytime_paired(fixed: Paired, looks: Looks, family: int = 1) -> Paired:
    """Return a comparison of a fixed n as one that may be looked at after every pair.

    Interval, p, the p of equivalence and the detectable difference are replaced; the others stay as they are.

    Args:
        fixed: The comparison, by Student's paired t.
        looks: The looks; with fewer pairs than the first one there is no interval yet.
        family: The number of comparisons over which p is adjusted, for the detectable difference.

    Raises:
        ValueError: There are fewer pairs than at the first look.
    """
    if fixed.n < looks.first:
        raise ValueError(f"the first look is at {looks.first} pairs, but there are {fixed.n}")
    low, high = anytime_interval(fixed.estimate, looks)
    equivalence = None if fixed.equivalence_p is None else _valid_p(fixed.equivalence_p, fixed.estimate, looks, 1)
    return replace(
        fixed,
        low=low,
        high=high,
        p=_valid_p(fixed.p, fixed.estimate, looks, 2),
        equivalence_p=equivalence,
        detectable=anytime_detectable(fixed.estimate, looks, family),
        at_most=looks.last,
    )


def anytime_location(fixed: Location, looks: Looks) -> Location:
    """Return the test of a mean with a fixed n as one that may be looked at after every value."""
    estimate = fixed.estimate
    low, high = anytime_interval(estimate, looks)
    return replace(fixed, estimate=replace(estimate, low=low, high=high), p=_valid_p(fixed.p, estimate, looks, 2))


def anytime_equivalence_p(tested: Location, margin: float, looks: Looks) -> float:
    """Return the larger p of the two one-sided tests against ±margin, valid under looking after every value."""
    return _valid_p(equivalence_p(tested, margin), tested.estimate, looks, 1)


def anytime_interval(estimate: Estimate, looks: Looks, level: float = ALPHA, sides: int = 2) -> tuple[float, float]:
    """Return the ends of the interval that covers at every look.

    Without variance they are those of the fixed interval.

    Args:
        estimate: The mean with its interval of a fixed n.
        looks: The looks.
        level: The largest probability that the interval misses the true mean at any look: 5 % over the number of
            intervals makes them simultaneous.
        sides: 1 for the interval of two one-sided tests, each with this level.
    """
    if estimate.sd == 0:
        return estimate.low, estimate.high
    half = looks.critical(estimate.n, level, sides) * estimate.sd / math.sqrt(estimate.n)
    return estimate.mean - half, estimate.mean + half


def anytime_detectable(estimate: Estimate, looks: Looks, family: int) -> float:
    """Return the difference that the look at n pairs finds by itself with 80 % power, after Bonferroni over a family.

    The looks before it only add to that power.
    """
    critical = looks.critical(estimate.n, ALPHA / family)
    return noncentrality(critical, estimate.df, 1 - POWER) * estimate.sd / math.sqrt(estimate.n)


def decided(
    tested: Sequence[Location | None], looks: Looks, margin: float | None = None, void: Sequence[bool] = ()
) -> list[bool]:
    """Return whether each comparison of a family is decided by the differences so far.

    That is: the p of the difference or, with a margin, that of equivalence is below 5 % after Holm over the family.

    Args:
        tested: The test of each comparison's differences, for a fixed n. None, or with fewer differences than at the
            first look, it is not decided, and no member of the family.
        looks: The looks.
        margin: The largest difference that does not matter.
        void: Whether failed runs keep each comparison from being called equivalent; by default none do.
    """
    members = {place: one for place, one in enumerate(tested) if one and one.estimate.n >= looks.first}
    sure = looks.rejected([_nominal(one.p, one, looks, 2) for one in members.values()])
    if margin is not None:
        within = [_nominal(equivalence_p(one, margin), one, looks, 1) for one in members.values()]
        claimed = [not (void and void[place]) for place in members]
        small = [near and claim for near, claim in zip(looks.rejected(within, 1), claimed, strict=True)]
        sure = [moved or near for moved, near in zip(sure, small, strict=True)]
    by_place = dict(zip(members, sure, strict=True))
    return [by_place.get(place, False) for place in range(len(tested))]


def _nominal(p: float, tested: Location, looks: Looks, sides: int) -> tuple[float, int]:
    """The nominal p of a comparison and its pairs; without variance, that which gives the p of equal signs."""
    n = tested.estimate.n
    return (p if tested.estimate.sd > 0 else looks.nominal(_without_variance(p, looks, sides), n, sides)), n


def widening(looks: Looks, n: int, level: float = ALPHA) -> float:
    """Return how many times as wide as the interval of a fixed n the one at the look with n pairs is."""
    return looks.critical(n, level) / quantile(n - 1, level)


def expected_looks(effects: Iterable[float], looks: Looks, level: float = ALPHA) -> list[float]:
    """Return the expected pairs until the interval excludes 0, or all pairs, for each true difference.

    Simulated with a fixed seed; the standard error is below 2 % of `looks.last`.

    Args:
        effects: True differences in standard deviations of the paired difference.
        looks: The looks.
        level: The level of the interval.
    """
    draws = np.random.default_rng(0).normal(size=(2_000, looks.last))
    return [float(decided_at(draws + effect, looks, level).mean()) for effect in effects]


def decided_at(differences: Array, looks: Looks, level: float = ALPHA) -> NDArray[np.int64]:
    """Return the look at which t first crosses the boundary, or the last one: shape (..., n) to integers (...)."""
    crossed = np.abs(looks_t(differences, looks)) > criticals(looks, level)
    first = crossed.argmax(axis=-1) + looks.first
    return np.asarray(np.where(crossed.any(axis=-1), first, looks.last), dtype=np.int64)


def looks_t(differences: Array, looks: Looks) -> Array:
    """Return Student's t at each look: shape (..., n) with n >= `looks.last` to shape (..., looks)."""
    n = np.arange(1, looks.last + 1)
    sums, squares = (np.cumsum(values[..., : looks.last], axis=-1) for values in (differences, differences**2))
    sd = np.sqrt(np.maximum(squares - sums**2 / n, 0) / np.maximum(n - 1, 1))[..., looks.first - 1 :]
    error = sd / np.sqrt(n[looks.first - 1 :])
    mean = (sums / n)[..., looks.first - 1 :]
    return np.divide(mean, error, out=np.copysign(np.inf, mean), where=error > 0)


def criticals(looks: Looks, level: float = ALPHA) -> Array:
    """Return the critical values of all looks, in their order."""
    return np.array([looks.critical(n, level) for n in range(looks.first, looks.last + 1)])


def _valid_p(p: float, estimate: Estimate, looks: Looks, sides: int) -> float:
    return looks.adjusted(p, estimate.n, sides) if estimate.sd > 0 else _without_variance(p, looks, sides)


def _without_variance(p: float, looks: Looks, sides: int) -> float:
    """The p of differences that are all equal: that of as many equal signs as there are pairs at the first look.

    If the first n differences are equal then so are the first `looks.first`: the first look bounds all later ones.
    """
    return p if p >= 1 else max(p, sides * 0.5**looks.first)
