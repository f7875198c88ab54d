"""Paired comparisons that may be looked at after every pair: group-sequential t boundaries for a known maximum.

The nominal level of each look is proportional to its number of pairs, and the common factor is the one with which all
looks together have the level asked for (alpha spending in the manner of Lan and DeMets 1983, with Student's t instead
of the normal). It is computed, not simulated. Under the null hypothesis the sum of the differences over the root of
their sum of squares is a Markov chain whose law does not depend on the variance, so the probability that t crosses its
boundary at any look follows by induction from the last look to the first, with one integral per look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from sweeps.stats.alpha import ALPHA
from sweeps.stats.student import Array, quantile

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
