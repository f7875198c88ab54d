"""Forecast the statistical power of a study's ablation with the seeds that it has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sweeps.artifacts.layout import ABLATION
from sweeps.stats import (
    ALPHA,
    Estimate,
    Looks,
    anytime_detectable,
    detectable,
    expected_looks,
    expected_n,
    seeds_for_sign_flip,
    smallest_p,
    widening,
)
from sweeps.storage.results import Results, StageResults
from sweeps.study.sections import Seeds
from sweeps.study.study import Study
from sweeps.validation.warnings import comparisons

RATIOS = (
    0.5,
    1.0,
    2.0,
)  # deviations for which the pairs are forecast, in multiples of the precision; with anytime, true differences


@dataclass(frozen=True)
class PowerForecast:
    """The power of an ablation's comparisons.

    Attributes:
        comparisons: How many comparisons are made, over which Holm adjusts.
        pairs: Paired seeds of each comparison; with a precision, the fewest.
        smallest_p: The smallest p that the exact sign-flip check can reach with these pairs.
        smallest_p_holm: The same, adjusted over all comparisons.
        pairs_needed: The pairs with which the adjusted p can reach 0.05.
        detectable_sd: The difference that the paired t test finds with 80 % power after Holm's correction over all
            comparisons, in standard deviations of the paired difference. With anytime: that the last look finds.
        deviation: That standard deviation in earlier runs, in the metric's units; None if there are too few.
        detectable: `detectable_sd` in the metric's units; None without `deviation`.
        expected: With a precision, pairs of a standard deviation and the pairs expected under it. With anytime, pairs
            of a true difference, in standard deviations of the paired difference, and the pairs expected until it is
            found.
        at_most: With anytime, the pairs at the last look; None otherwise.
        widths: With anytime, numbers of pairs and how many times as wide as with a fixed number the interval is.
    """

    comparisons: int
    pairs: int
    smallest_p: float
    smallest_p_holm: float
    pairs_needed: int
    detectable_sd: float
    deviation: float | None
    detectable: float | None
    expected: tuple[tuple[float, float], ...] = ()
    at_most: int | None = None
    widths: tuple[tuple[int, float], ...] = ()


def forecast_power(study: Study, previous: Results | None) -> PowerForecast | None:
    """Forecast the power of the ablation of `study`; None if it has none.

    Args:
        study: The study.
        previous: The results of earlier runs, from which the deviation is taken.
    """
    if study.ablation is None:
        return None
    rule, family, pairs = study.ablation.seeds, comparisons(study), study.ablation.min_seeds
    deviation = deviation_of(previous.stages.get(ABLATION)) if previous is not None else None
    looks = looks_of(rule)
    least = detectable(1.0, pairs, family=family) if looks is None else _detectable_at_last(looks, family)
    return PowerForecast(
        comparisons=family,
        pairs=pairs,
        smallest_p=smallest_p(pairs),
        smallest_p_holm=smallest_p(pairs, family),
        pairs_needed=seeds_for_sign_flip(family),
        detectable_sd=least,
        deviation=deviation,
        detectable=None if deviation is None else least * deviation,
        expected=tuple(_expected_pairs(rule, family)) if isinstance(rule, Seeds) else (),
        at_most=looks.last if looks else None,
        widths=tuple(_widths(looks)) if looks else (),
    )


def looks_of(rule: int | Seeds) -> Looks | None:
    """Return the looks of an ablation with `anytime`; None with another rule."""
    return Looks(rule.min, rule.max) if isinstance(rule, Seeds) and rule.anytime else None


def deviation_of(stage: StageResults | None) -> float | None:
    """Return the standard deviation of the paired differences in the metric, pooled over the comparisons.

    None if no comparison has two pairs yet.
    """
    samples = [differences for differences in _differences(stage) if len(differences) > 1] if stage else []
    freedom = sum(len(differences) - 1 for differences in samples)
    return math.sqrt(sum(map(_squares, samples)) / freedom) if freedom else None


def _expected_pairs(rule: Seeds, family: int) -> Iterator[tuple[float, float]]:
    looks = looks_of(rule)
    if looks is not None:
        yield from zip(RATIOS, expected_looks(RATIOS, looks, ALPHA / max(1, family)), strict=True)
        return
    for ratio in RATIOS:
        assert rule.precision is not None  # the rule of `Seeds`: a precision or anytime
        deviation = ratio * rule.precision
        yield deviation, expected_n(deviation, rule.precision, rule.min, rule.max)


def _detectable_at_last(looks: Looks, family: int) -> float:
    return anytime_detectable(Estimate(0.0, 0.0, 0.0, looks.last, 1.0), looks, max(1, family))


def _widths(looks: Looks) -> Iterator[tuple[int, float]]:
    for pairs in sorted({looks.first, (looks.first + looks.last) // 2, looks.last}):
        yield pairs, widening(looks, pairs)


def _differences(stage: StageResults) -> Iterator[list[float]]:
    """The paired differences of each arm to its reference, by seed."""
    for arm in stage.arms:
        if (reference := stage.arm(arm.reference)) is not None:
            runs, reference_runs = stage.replicates(arm), stage.replicates(reference)
            seeds = sorted(runs.keys() & reference_runs.keys())
            values = [(runs[seed].figure, reference_runs[seed].figure) for seed in seeds]
            yield [value - other for value, other in values if value is not None and other is not None]


def _squares(values: Sequence[float]) -> float:
    """The sum of squared deviations from the mean."""
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)
