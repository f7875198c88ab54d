"""Forecast the statistical power of a study's ablation with the seeds that it has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sweeps.artifacts.layout import ABLATION
from sweeps.stats import detectable, expected_n, seeds_for_sign_flip, smallest_p
from sweeps.storage.results import Results, StageResults
from sweeps.study.sections import Seeds
from sweeps.study.study import Study
from sweeps.validation.warnings import comparisons

RATIOS = (0.5, 1.0, 2.0)  # deviations for which the pairs are forecast, in multiples of the precision


@dataclass(frozen=True)
class PowerForecast:
    """The power of an ablation's comparisons.

    Attributes:
        comparisons: How many comparisons are made, over which Holm adjusts.
        pairs: Paired seeds of each comparison; with a precision, the fewest.
        smallest_p: The smallest p that the exact sign-flip check can reach with these pairs.
        smallest_p_holm: The same, adjusted over all comparisons.
        pairs_needed: The pairs with which the adjusted p can reach 0.05.
        detectable_sd: The difference that a paired t test (5 %, one comparison) finds with 80 % power, in standard
            deviations of the paired difference.
        deviation: That standard deviation in earlier runs, in the metric's units; None if there are too few.
        detectable: `detectable_sd` in the metric's units; None without `deviation`.
        expected: With a precision, pairs of a standard deviation and the pairs expected under it.
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
    return PowerForecast(
        comparisons=family,
        pairs=pairs,
        smallest_p=smallest_p(pairs),
        smallest_p_holm=smallest_p(pairs, family),
        pairs_needed=seeds_for_sign_flip(family),
        detectable_sd=detectable(1.0, pairs),
        deviation=deviation,
        detectable=None if deviation is None else detectable(deviation, pairs),
        expected=tuple(_expected_pairs(rule)) if isinstance(rule, Seeds) else (),
    )


def deviation_of(stage: StageResults | None) -> float | None:
    """Return the standard deviation of the paired differences in the metric, pooled over the comparisons.

    None if no comparison has two pairs yet.
    """
    samples = [differences for differences in _differences(stage) if len(differences) > 1] if stage else []
    freedom = sum(len(differences) - 1 for differences in samples)
    return math.sqrt(sum(map(_squares, samples)) / freedom) if freedom else None


def _expected_pairs(rule: Seeds) -> Iterator[tuple[float, float]]:
    for ratio in RATIOS:
        deviation = ratio * rule.precision
        yield deviation, expected_n(deviation, rule.precision, rule.min, rule.max)


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
