"""A paired comparison: n runs of a variant and n runs of its reference, paired by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from sweeps.stats.goal import Goal, sign
from sweeps.stats.sensitivity import detectable, noncentrality
from sweeps.stats.shares import share_interval
from sweeps.stats.signs import sign_flip
from sweeps.stats.student import ROUNDING, Array, Estimate, Location, constant, location, rounding_sd


@dataclass(frozen=True)
class Paired:
    """The comparison of n pairs. Differences are variant minus reference, in the metric's units.

    With `first`, mean, interval and test follow Stein's two-stage procedure (1945): `sd` and `df` are those of the
    first `first` pairs. With a resolution, `sd` is at least that of the rounding of two figures; interval and tests
    follow it. Without one, equal differences have the `sd` 0, no `t` and no interval, and `p` is that of the sign-flip
    test.

    Attributes:
        n: The number of pairs.
        mean: The mean difference.
        sd: The standard deviation of the differences, or its floor.
        low: The lower end of the mean's 95 % interval (Student's paired t); nan without an interval.
        high: Its upper end; nan without an interval.
        df: The degrees of freedom.
        t: Student's statistic.
        p: Two-sided.
        sign_flip_p: The p of the sign-flip test, a check that assumes symmetry only: over all flips up to n = 20, over
            100,000 random ones beyond.
        smallest_sign_flip_p: The smallest p that the sign-flip test can give with this n.
        d_z: The mean over the deviation of all n differences; None without variance.
        d_z_low: The lower end of its 95 % interval, which inverts the noncentral t (for a fixed n).
        d_z_high: Its upper end.
        p_superior: An estimate of the probability that the variant's metric is better, by the study's goal, on one
            fresh seed that both share: the share of such pairs, with ties counted as half. It does not tell by how
            much.
        p_superior_low: The lower end of its Clopper-Pearson interval, widened to whole pairs if a tie leaves a half.
        p_superior_high: Its upper end.
        correlation: Pearson's correlation of the two columns; the larger, the more precise pairing makes the mean.
            None if a column has no variance.
        detectable: The difference that n pairs with this deviation find with 80 % power by the two-sided 5 % test,
            corrected over the family (`sensitivity`).
        margin: The half-width of the range that counts as equivalent; None without an equivalence test.
        equivalence_p: The larger p of the two one-sided tests against ±`margin` (Schuirmann 1987).
        first: The size of Stein's first stage; None for a fixed number of pairs.
        at_most: The pairs at the last look of a comparison that may be looked at after every pair
            (`sweeps.stats.anytime`); None for a fixed number of pairs.
        equal: Whether all differences are equal.
        floored: Whether `sd` is the floor that the metric's resolution sets.
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
    at_most: int | None = None
    equal: bool = False
    floored: bool = False

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
    resolution: float | None = None,
    family: int = 1,
) -> Paired | None:
    """Compare `value` with `reference` pair by pair.

    Args:
        reference: The metric of the reference's runs, shape (n,), in the order of the seeds.
        value: The metric of the variant's runs, in the same order.
        margin: The half-width of the range that counts as equivalent, in the metric's units; above 0.
        first: The size of Stein's first stage. Below 2, or from n on, it changes nothing.
        goal: Whether a larger or a smaller metric is better.
        resolution: The step to which the metric of a run is rounded, such as that of one image in an accuracy; None if
            it is not known.
        family: Over how many comparisons Holm's procedure will correct; it sets the detectable difference.

    Returns:
        The comparison; None below two pairs.

    Raises:
        ValueError: The lengths differ, a value is not finite, or the margin is not above 0.
    """
    before, after = np.asarray(reference, dtype=np.float64), np.asarray(value, dtype=np.float64)
    _check(before, after, margin)
    if before.size < 2:
        return None
    differences = _differences(before, after)
    stage = first if first is not None and 2 <= first < before.size else None
    tested = location(differences, stage, rounding_sd(resolution or 0.0, [1.0, -1.0]))
    flips = sign_flip(differences)
    estimate, wins = tested.estimate, _wins(differences, goal)
    share_low, share_high = share_interval(wins, before.size)
    d_z = _d_z(differences)
    return Paired(
        n=before.size,
        mean=estimate.mean,
        sd=estimate.sd,
        low=estimate.low,
        high=estimate.high,
        df=tested.df,
        t=tested.t,
        p=tested.p,
        sign_flip_p=flips.p,
        smallest_sign_flip_p=flips.smallest,
        d_z=d_z.mean if d_z else None,
        d_z_low=d_z.low if d_z else None,
        d_z_high=d_z.high if d_z else None,
        p_superior=wins / before.size,
        p_superior_low=share_low,
        p_superior_high=share_high,
        correlation=_correlation(before, after),
        detectable=detectable(estimate.sd, before.size, tested.df, family),
        margin=margin,
        equivalence_p=None if margin is None else equivalence_p(tested, margin),
        first=stage if tested.df != before.size - 1 else None,  # `location` ignores a first stage without variance
        equal=constant(differences),
        floored=tested.floored,
    )


def equivalence_p(tested: Location, margin: float) -> float:
    """Return the larger p of two one-sided t tests that the mean lies within ±margin (Schuirmann 1987).

    Without an interval p is 1 outside the margin and 1 / 2**n inside, the smallest p of a one-sided sign test.
    """
    estimate = tested.estimate
    if estimate.sd == 0:
        return 0.5**estimate.n if abs(estimate.mean) < margin else 1.0
    error = estimate.sd / math.sqrt(estimate.n)
    return float(equivalence_rows(np.asarray(estimate.mean), np.asarray(error), tested.df, margin))


def equivalence_rows(mean: Array, error: Array, df: int, margin: float) -> Array:
    """Compute `equivalence_p` of many samples with variance at once.

    Args:
        mean: The means, any shape.
        error: Their standard errors, same shape.
        df: The degrees of freedom of all samples.
        margin: As in `paired`.
    """
    return np.asarray(special.stdtr(df, (np.abs(mean) - margin) / error), dtype=np.float64)


def standardized(t: float, n: int, df: int) -> Estimate:
    """Return d_z = t / sqrt(n) with its 95 % interval.

    The ends are the noncentralities, over sqrt(n), for which `t` is the 97.5 % and the 2.5 % point.
    """
    low, high = (noncentrality(t, df, p) / math.sqrt(n) for p in (0.975, 0.025))
    return Estimate(t / math.sqrt(n), low, high, n, 1.0)


def _check(before: Array, after: Array, margin: float | None) -> None:
    if before.shape != after.shape or before.ndim != 1:
        raise ValueError(f"pairs need two lists of equal length but got {before.shape} and {after.shape}")
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise ValueError("pairs need finite figures: leave out what is missing, with its partner")
    if margin is not None and not margin > 0:
        raise ValueError(f"margin must be above 0 but got {margin}")


def _differences(before: Array, after: Array) -> Array:
    """Return after minus before. Differences that are only rounding become 0, and those equal up to rounding, equal."""
    differences = after - before
    rounding = ROUNDING * max(np.abs(before).max(), np.abs(after).max())
    differences[np.abs(differences) <= rounding] = 0.0
    return np.full_like(differences, differences.mean()) if np.ptp(differences) <= rounding else differences


def _wins(differences: Array, goal: Goal) -> float:
    """Count the pairs in which the variant is better; ties count as half."""
    better = sign(goal) * differences
    return float((better > 0).sum() + (better == 0).sum() / 2)


def _d_z(differences: Array) -> Estimate | None:
    tested = location(differences)
    return None if tested.t is None else standardized(tested.t, differences.size, tested.df)


def _correlation(before: Array, after: Array) -> float | None:
    return None if constant(before) or constant(after) else float(np.corrcoef(before, after)[0, 1])
