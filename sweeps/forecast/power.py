"""What the ablation of a study will be able to show with the seeds that it has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sweeps.stats import detectable, expected_n
from sweeps.storage.results import Results, StageResults
from sweeps.study.sections import Seeds
from sweeps.study.study import Study
from sweeps.validation.warnings import comparisons, fewest, pairs_needed, smallest_p

RATIOS = (0.5, 1.0, 2.0)  # deviations in units of the precision


@dataclass(frozen=True)
class PowerForecast:
    """The reach of `comparisons` comparisons over `pairs` paired seeds (with a precision, the fewest).

    `smallest_p` and `smallest_p_holm` bound the exact sign-flip check, which needs `pairs_needed` pairs to reach 0.05
    after Holm. `detectable_sd` is the difference that is found with 80 % power (paired t, 5 %, one comparison), in
    deviations of the paired difference; with that `deviation` from earlier runs, `detectable` is the same in the
    metric's units. `expected` are (deviation, expected pairs) under a precision.
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


def foresee(study: Study, known: Results | None) -> PowerForecast | None:
    """What the ablation of `study` can show; None without one. `known` are the results of earlier runs."""
    if study.ablation is None:
        return None
    rule, family, pairs = study.ablation.seeds, comparisons(study), fewest(study.ablation)
    deviation = deviation_of(known.stages.get("ablation")) if known is not None else None
    deviations = [ratio * rule.precision for ratio in RATIOS] if isinstance(rule, Seeds) else []
    return PowerForecast(
        comparisons=family,
        pairs=pairs,
        smallest_p=smallest_p(pairs),
        smallest_p_holm=smallest_p(pairs, family),
        pairs_needed=pairs_needed(family),
        detectable_sd=detectable(1.0, pairs),
        deviation=deviation,
        detectable=None if deviation is None else detectable(deviation, pairs),
        expected=tuple(
            (sd, expected_n(sd, rule.precision, rule.min, rule.max)) for sd in deviations if isinstance(rule, Seeds)
        ),
    )


def deviation_of(stage: StageResults | None) -> float | None:
    """The deviation of the paired differences in the metric, pooled over the comparisons; None below two pairs."""
    samples = [differences for differences in _differences(stage) if len(differences) > 1] if stage else []
    freedom = sum(len(differences) - 1 for differences in samples)
    return math.sqrt(sum(map(_squares, samples)) / freedom) if freedom else None


def _differences(stage: StageResults) -> Iterator[list[float]]:
    for arm in stage.arms:
        if (reference := stage.arm(arm.reference)) is not None:
            ours, theirs = stage.replicates(arm), stage.replicates(reference)
            values = [(ours[seed].figure, theirs[seed].figure) for seed in sorted(ours.keys() & theirs.keys())]
            yield [one - other for one, other in values if one is not None and other is not None]


def _squares(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)
