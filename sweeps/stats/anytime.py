"""Paired comparisons that may be looked at after every pair: group-sequential t boundaries for a known maximum.

The nominal level of each look is proportional to its number of pairs, and the common factor is the one with which all
looks together have the level asked for (alpha spending in the manner of Lan and DeMets 1983, with Student's t instead
of the normal). It is computed, not simulated. Under the null hypothesis the sum of the differences over the root of
their sum of squares is a Markov chain whose law does not depend on the variance, so the probability that t crosses its
boundary at any look follows by induction from the last look to the first, with one integral per look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sweeps.stats.alpha import ALPHA
from sweeps.stats.pairs import Paired, equivalence_p
from sweeps.stats.sensitivity import POWER
from sweeps.stats.student import Array, Estimate, Location, location, quantile

# The states of the chain at each look, from the lowest to the boundary, near which the probability to cross changes
# most. The linear interpolation between them errs to the safe side.
_SPREAD = np.sin(np.linspace(0, math.pi / 2, 121))
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_QUARTER = math.pi / 2
_NEGLIGIBLE = 1e-12
_TINY = 1e-9  # levels at which two looks hardly ever cross both: the sum over the looks is as good as the integral


@dataclass(frozen=True)
class Looks:
    """The looks at a comparison: after each pair from `first` to `last`.

    Attributes:
        first: The pairs at the first look, at least 2.
        last: The pairs at the last look.
    """

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 2 <= self.first <= self.last:
            raise ValueError(f"looks need 2 <= first <= last but got {self.first} and {self.last}")

    def critical(self, n: int, level: float = ALPHA, sides: int = 2) -> float:
        """Return the critical value of t at the look with n pairs: all looks together have the level.

        Args:
            n: The pairs of this look.
            level: Of the two-sided test, or of the one-sided one.
            sides: 1 for a one-sided test.
        """
        nominal = min(sides * 0.5, _factor(self, level, sides) * self._share(n))
        return quantile(n - 1, nominal * 2 / sides)

    def adjusted(self, p: float, n: int, sides: int = 2) -> float:
        """Return the p that stays valid under looking after every pair.

        It is the smallest level at which the boundary has been reached at this look.

        Args:
            p: The nominal p of Student's t at this look, two-sided or one-sided.
            n: The pairs of this look.
            sides: 1 for a one-sided p.
        """
        if p >= 1:
            return 1.0
        return min(1.0, max(p, _crossing(self, p / self._share(n), sides)))

    def rejected(self, samples: Sequence[tuple[float, int]], sides: int = 2, level: float = ALPHA) -> list[bool]:
        """Return which hypotheses of a family Holm's procedure rejects over the adjusted p, without computing these.

        Args:
            samples: The nominal p and the pairs of each.
            sides: 1 for one-sided p.
            level: The family-wise error.
        """
        shares = [p / self._share(n) if p < 1 else math.inf for p, n in samples]  # in the order of the adjusted p
        rejected = [False] * len(samples)
        for step, place in enumerate(sorted(range(len(samples)), key=shares.__getitem__)):
            if shares[place] > _factor(self, level / (len(samples) - step), sides):
                break
            rejected[place] = True
        return rejected

    def nominal(self, p: float, n: int, sides: int = 2) -> float:
        """Return the nominal p at the look with n pairs whose adjusted p is `p`."""
        return _factor(self, p, sides) * self._share(n) if p < 1 else 1.0

    def _share(self, n: int) -> float:
        """The nominal level of a look beside that of the last one, which pairs beyond it, of another plan, have too."""
        return min(n, self.last) / self.last


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
    equivalence = None if fixed.equivalence_p is None else _valid_p(fixed.equivalence_p, fixed, looks, 1)
    return replace(
        fixed,
        low=low,
        high=high,
        p=_valid_p(fixed.p, fixed, looks, 2),
        equivalence_p=equivalence,
        detectable=anytime_detectable(fixed.estimate, looks, family),
        at_most=looks.last,
    )


def anytime_location(fixed: Location, looks: Looks) -> Location:
    """Return the test of a mean with a fixed n as one that may be looked at after every value."""
    estimate = fixed.estimate
    low, high = anytime_interval(estimate, looks)
    p = looks.adjusted(fixed.p, estimate.n) if estimate.sd > 0 else _without_variance(fixed.p, looks, 2)
    return replace(fixed, estimate=replace(estimate, low=low, high=high), p=p)


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
    return float(special.nctdtrinc(estimate.df, 1 - POWER, critical)) * estimate.sd / math.sqrt(estimate.n)


def decided(samples: Sequence[Sequence[float]], looks: Looks, margin: float | None = None) -> list[bool]:
    """Return whether each comparison of a family is decided by the differences so far.

    That is: the p of the difference or, with a margin, that of equivalence is below 5 % after Holm over the family.

    Args:
        samples: The differences of each comparison. Below `looks.first` it is not decided, and no member of the family.
        looks: The looks.
        margin: The largest difference that does not matter.
    """
    tested = {place: location(values) for place, values in enumerate(samples) if len(values) >= looks.first}
    sure = looks.rejected([_nominal(one.p, one, looks, 2) for one in tested.values()])
    if margin is not None:
        within = [_nominal(equivalence_p(one, margin), one, looks, 1) for one in tested.values()]
        sure = [moved or small for moved, small in zip(sure, looks.rejected(within, 1), strict=True)]
    by_place = dict(zip(tested, sure, strict=True))
    return [by_place.get(place, False) for place in range(len(samples))]


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


def _valid_p(p: float, fixed: Paired, looks: Looks, sides: int) -> float:
    return looks.adjusted(p, fixed.n, sides) if fixed.sd > 0 else _without_variance(p, looks, sides)


def _without_variance(p: float, looks: Looks, sides: int) -> float:
    """The p of differences that are all equal: that of as many equal signs as there are pairs at the first look.

    If the first n differences are equal then so are the first `looks.first`: the first look bounds all later ones.
    """
    return p if p >= 1 else max(p, sides * 0.5**looks.first)


@lru_cache(maxsize=256)
def _factor(looks: Looks, level: float, sides: int) -> float:
    """The nominal level at the last look with which all looks together have `level`."""
    if looks.first == looks.last:
        return level
    # The logarithm of the probability is nearly linear in that of the factor: secants from Bonferroni's factor on.
    aim = math.log(level)
    before, factor = aim, aim - math.log(sum(range(looks.first, looks.last + 1)) / looks.last)
    reached_before = math.log(_crossing(looks, math.exp(before), sides))
    for _ in range(8):
        reached = math.log(_crossing(looks, math.exp(factor), sides))
        if abs(reached - aim) < 1e-4 or reached == reached_before:
            break
        slope = (factor - before) / (reached - reached_before)
        before, reached_before, factor = factor, reached, factor + (aim - reached) * slope
    return math.exp(factor)


@lru_cache(maxsize=4096)
def _crossing(looks: Looks, factor: float, sides: int) -> float:
    """The probability, without an effect, that t crosses its boundary at any look.

    Args:
        looks: The looks.
        factor: The nominal level of the last look; that of n pairs is n / last of it.
        sides: 2, or 1 for the upper boundary alone.
    """
    n = np.arange(looks.first, looks.last + 1)
    nominal = np.minimum(factor * n / looks.last, sides * 0.5)
    if factor < _TINY:
        return float(nominal.sum())
    t = -special.stdtrit(n - 1, nominal / sides)
    bounds = t / np.sqrt(n - 1 + t**2)  # of the chain: the sum over the root of n times the sum of squares
    later: tuple[Array, Array] | None = None  # the states at a look, and the probability to cross after it
    for place in range(len(n) - 1, 0, -1):
        # Two boundaries are symmetric, and so is the probability: half of the states are enough. With the upper one
        # alone, states far below it hardly ever lead there.
        bound = float(bounds[place - 1])
        lowest = 0.0 if sides == 2 else max(_NEGLIGIBLE - 1, -3 * bound)
        states = lowest + (bound - lowest) * _SPREAD
        later = states, _crossing_after(states, int(n[place]), float(bounds[place]), sides, later)
    if later is None:
        return float(nominal[0])
    low, high = np.arcsin(later[0][:1]), np.arcsin(bounds[:1])
    # Never more than the sum over the looks, which the interpolation may exceed at small levels.
    return min(1.0, float(nominal.sum()), float(nominal[0] + sides * _integral(low, high, looks.first, later)[0]))


def _crossing_after(states: Array, n: int, bound: float, sides: int, later: tuple[Array, Array] | None) -> Array:
    """The probability to cross at look n or after it, given each state at the look before."""
    low, high = _angles_above(states, bound, n)
    edges = [(low, high)]
    if sides == 2:
        mirrored = _angles_above(-states, bound, n)
        edges.append((-mirrored[1], -mirrored[0]))
    crossed = np.sum([_between(*edge, n) for edge in edges], axis=0)
    if later is None:
        return np.asarray(crossed)
    below = edges[1] if sides == 2 else (np.full_like(states, -_QUARTER),) * 2
    start, end = np.full_like(states, -_QUARTER), np.full_like(states, _QUARTER)
    for left, right in ((start, below[0]), (below[1], low), (high, end)):
        crossed = crossed + _integral(left, right, n, later, states)
    return np.asarray(crossed)


def _angles_above(states: Array, bound: float, n: int) -> tuple[Array, Array]:
    """The angles of the nth difference, between -90° and 90°, for which the chain comes to lie above `bound`.

    The sine of the angle is the difference over the root of the sum of n squares. The next state is (sqrt(n - 1) *
    state * cos(angle) + sin(angle)) / sqrt(n): a cosine around a peak.
    """
    slope = math.sqrt(n - 1) * states
    peak = np.arctan2(1, slope)
    width = np.arccos(np.clip(bound * math.sqrt(n) / np.hypot(slope, 1), -1, 1))
    return np.clip(peak - width, -_QUARTER, _QUARTER), np.clip(peak + width, -_QUARTER, _QUARTER)


def _between(low: Array, high: Array, n: int) -> Array:
    """The probability that the angle of the nth difference lies between the ends; tan(angle) is t / sqrt(n - 1)."""
    root = math.sqrt(n - 1)
    upper = special.stdtr(n - 1, -np.tan(low) * root) - special.stdtr(n - 1, -np.tan(high) * root)
    return np.asarray(np.where(high > low, upper, 0.0))


def _integral(low: Array, high: Array, n: int, later: tuple[Array, Array], states: Array | None = None) -> Array:
    """Integrate the probability to cross later over the angles from `low` to `high`.

    With `states` the angle is that of the nth difference and leads to the next state; without, its sine is the state
    itself, at the first look.
    """
    half = np.maximum((high - low) / 2, 0)
    if not (_between(low, high, n) > _NEGLIGIBLE).any():
        return np.zeros_like(low)
    angles = ((low + high) / 2)[:, None] + half[:, None] * _NODES
    cosine, sine = np.cos(angles), np.sin(angles)
    density = np.exp((n - 2) * np.log(np.maximum(cosine, 1e-300)) - special.betaln(0.5, (n - 1) / 2))
    after = sine if states is None else (math.sqrt(n - 1) * states[:, None] * cosine + sine) / math.sqrt(n)
    if later[0][0] == 0:
        after = np.abs(after)
    return np.asarray(half * ((np.interp(after, *later) * density) @ _WEIGHTS))
