"""One paired comparison: n runs of a variant beside n runs of its reference, run by run with the same seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from sweeps.stats.sensitivity import detectable
from sweeps.stats.shares import share_interval
from sweeps.stats.signs import sign_flip
from sweeps.stats.student import ROUNDING, Array, Estimate, Location, constant, location

Goal = Literal["maximize", "minimize"]
_FAR = 1000.0


@dataclass(frozen=True)
class Paired:
    """n differences, variant minus reference, in the metric's units.

    `mean` with its 95 % interval `low` to `high`, `df`, `t` and two-sided `p`: Student's paired t. With `first`,
    Stein's (1945): `sd` and `df` are those of the first `first` pairs. Differences that are all equal have `sd` 0, no
    `t`, an interval of one point, and as `p` the sign-flip one.

    `sign_flip_p` is the check that assumes symmetry alone, `sign_flip_exact` whether every flip was counted (up to 20
    pairs; else 100,000 random ones), `smallest_sign_flip_p` the least it could be with this n.
    `d_z` is the mean over the deviation of all n differences, with the 95 % interval that inverts the noncentral t
    (for a fixed n); None without variance.
    `p_superior` estimates the probability that, on one fresh seed that both share, the variant's metric is the better
    one by the study's goal: the share of pairs where it was, ties counted as half, with a Clopper-Pearson interval
    (widened to whole pairs where a tie leaves half of one). It says how often, not by how much.
    `correlation` is Pearson's between the two columns, what pairing bought; None when a side has no variance.
    `detectable` is the difference that n pairs of this deviation find with 80 % power at the two-sided 5 % level.
    `equivalence_p` is the larger p of two one-sided tests against ±`margin` (Schuirmann 1987); None without a margin.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    df: int
    t: float | None
    p: float
    sign_flip_p: float
    smallest_sign_flip_p: float
    sign_flip_exact: bool
    d_z: float | None
    d_z_low: float | None
    d_z_high: float | None
    p_superior: float
    p_superior_low: float
    p_superior_high: float
    correlation: float | None
    detectable: float
    margin: float | None = None
    equivalence_p: float | None = None
    first: int | None = None

    @property
    def estimate(self) -> Estimate:
        """The mean difference with its interval."""
        return Estimate(self.mean, self.low, self.high, self.n, self.sd)


def paired(
    reference: Sequence[float],
    value: Sequence[float],
    *,
    margin: float | None = None,
    first: int | None = None,
    goal: Goal = "maximize",
) -> Paired | None:
    """Compare `value` with `reference`, pair by pair in the order of the seeds; None below two pairs.

    `first` is the size of Stein's first stage (below 2, or n, it changes nothing). Raises ValueError when the lengths
    differ, a figure is not finite, or the margin is not above 0.
    """
    before, after = np.asarray(reference, dtype=np.float64), np.asarray(value, dtype=np.float64)
    _check(before, after, margin)
    if before.size < 2:
        return None
    differences = _differences(before, after)
    stage = first if first is not None and 2 <= first < before.size else None
    found = location(differences, stage)
    flips = sign_flip(differences)
    estimate, wins = found.estimate, _wins(differences, goal)
    share_low, share_high = share_interval(wins, before.size)
    d_z = _d_z(differences)
    return Paired(
        n=before.size,
        mean=estimate.mean,
        sd=estimate.sd,
        low=estimate.low,
        high=estimate.high,
        df=found.df,
        t=found.t,
        p=found.p,
        sign_flip_p=flips.p,
        smallest_sign_flip_p=flips.smallest,
        sign_flip_exact=flips.exact,
        d_z=d_z.mean if d_z else None,
        d_z_low=d_z.low if d_z else None,
        d_z_high=d_z.high if d_z else None,
        p_superior=wins / before.size,
        p_superior_low=share_low,
        p_superior_high=share_high,
        correlation=_correlation(before, after),
        detectable=detectable(estimate.sd, before.size, found.df),
        margin=margin,
        equivalence_p=None if margin is None else equivalence_p(found, margin),
        first=stage if found.df != before.size - 1 else None,
    )


def equivalence_p(found: Location, margin: float) -> float:
    """Two one-sided t tests that the mean lies within ±margin: the larger of their p (Schuirmann 1987).

    Without variance it is 1 outside of the margin, and inside 1 / 2**n: what a one-sided sign test could reach.
    """
    estimate = found.estimate
    if estimate.sd == 0:
        return 0.5**estimate.n if abs(estimate.mean) < margin else 1.0
    error = estimate.sd / math.sqrt(estimate.n)
    return float(equivalence_rows(np.asarray(estimate.mean), np.asarray(error), found.df, margin))


def equivalence_rows(mean: Array, error: Array, df: int, margin: float) -> Array:
    """`equivalence_p` of many samples with variance at once: their means and standard errors, of one shape."""
    return np.asarray(special.stdtr(df, (np.abs(mean) - margin) / error), dtype=np.float64)


def standardized(t: float, n: int, df: int) -> Estimate:
    """d_z = t / sqrt(n) with the 95 % interval of the noncentrality that makes `t` its 97.5 % and its 2.5 % point."""
    low, high = (_noncentrality(t, df, p) / math.sqrt(n) for p in (0.975, 0.025))
    return Estimate(t / math.sqrt(n), low, high, n, 1.0)


def _noncentrality(t: float, df: int, p: float) -> float:
    """The noncentrality under which P(T <= t) is `p`.

    Beyond |t| = 1,000 the numerator's own unit variance no longer counts beside that of the chi² in the denominator.
    The library's search loses digits there, and does not end for still larger ones.
    """
    if abs(t) <= _FAR:
        return float(special.nctdtrinc(df, p, t))
    return t * math.sqrt(float(special.chdtri(df, p if t > 0 else 1 - p)) / df)


def _check(before: Array, after: Array, margin: float | None) -> None:
    if before.shape != after.shape or before.ndim != 1:
        raise ValueError(f"pairs need two lists of equal length but got {before.shape} and {after.shape}")
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise ValueError("pairs need finite figures: leave out what is missing, with its partner")
    if margin is not None and not margin > 0:
        raise ValueError(f"margin must be above 0 but got {margin}")


def _differences(before: Array, after: Array) -> Array:
    """After minus before; what is only rounding of the figures becomes 0, and what differs only so becomes equal."""
    differences = after - before
    rounding = ROUNDING * max(np.abs(before).max(), np.abs(after).max())
    differences[np.abs(differences) <= rounding] = 0.0
    return np.full_like(differences, differences.mean()) if np.ptp(differences) <= rounding else differences


def _wins(differences: Array, goal: Goal) -> float:
    better = differences if goal == "maximize" else -differences
    return float((better > 0).sum() + (better == 0).sum() / 2)


def _d_z(differences: Array) -> Estimate | None:
    found = location(differences)
    return None if found.t is None else standardized(found.t, differences.size, found.df)


def _correlation(before: Array, after: Array) -> float | None:
    return None if constant(before) or constant(after) else float(np.corrcoef(before, after)[0, 1])
