"""Build the data frames of the per-image evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

import pandas as pd

from sweeps.artifacts.layout import TEST, VALIDATION
from sweeps.evidence.images import ImageEvidence, SetEvidence
from sweeps.evidence.images.quality import Quality
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval
from sweeps.stats import interval

FLIPS = ["set", "arm", "against", "pairs", "images", "lost", "gained", "by chance each way"]
CLASSES = ["set", "arm", "against", "class", "images", "reference mean", "arm mean", "difference", "p", "Holm p"]
QUALITY = [
    "set",
    "arm",
    "runs",
    "churn",
    "images per pair",
    "ECE",
    "NLL",
    "Brier",
    "models",
    "ensemble",
    "single model",
]
FLIPPED = [
    *("set", "arm", "against", "image", "class", "seeds", "right with the reference", "right with the arm"),
    *("class with the reference", "class with the arm"),
]


def flips_frame(evidence: ImageEvidence) -> pd.DataFrame:
    """Return one row per set and arm: how many images flip in each direction, and how many would by chance."""
    rows = [
        (each.name, one.arm.name, one.reference.name, one.seeds, one.compared, one.lost, one.gained, one.by_chance)
        for each in evidence.sets
        for one in each.flips
    ]
    return frame_of(rows, FLIPS)


def flipped_frame(evidence: ImageEvidence) -> pd.DataFrame:
    """Return one row per set, arm and image that flips."""
    rows = [
        (
            *(each.name, flips.arm.name, flips.reference.name, one.image, each.class_name(one.label), one.seeds),
            *(one.reference_right, one.arm_right),
            *(each.class_name(one.reference_class), each.class_name(one.arm_class)),
        )
        for each in evidence.sets
        for flips in each.flips
        for one in flips.images
    ]
    return frame_of(rows, FLIPPED)


def classes_frame(sets: Iterable[SetEvidence]) -> pd.DataFrame:
    """Return one row per set, arm and class, those with the smallest p of a set first."""
    rows = [
        (
            *(each.name, one.arm.name, one.reference.name, one.name, round(one.images, 1)),
            *(one.reference_mean, one.arm_mean, Interval.of(one.difference), one.p, one.p_holm),
        )
        for each in sets
        for one in sorted(each.differences, key=lambda one: one.p)
    ]
    return frame_of(rows, CLASSES)


def quality_frame(evidence: ImageEvidence, *, further: bool) -> pd.DataFrame:
    """Return one row per set and arm: agreement between seeds, calibration, and the ensemble.

    Args:
        evidence: The evidence.
        further: Whether to return the sets of `evaluate`; if not, validation and test set.
    """
    sets = [each for each in evidence.sets if (each.name not in (VALIDATION, TEST)) is further]
    return frame_of([_quality(each, one) for each in sets for one in each.qualities], QUALITY)


def _quality(evidence: SetEvidence, one: Quality) -> tuple[object, ...]:
    briers = [each.brier for each in one.calibrations if each.brier is not None]
    return (
        *(evidence.name, one.arm.name, one.runs),
        *((one.churn.percent, round(one.churn.images)) if one.churn else (None, None)),
        _mean([each.ece for each in one.calibrations]),
        _mean([each.nll for each in one.calibrations]),
        _mean(briers),
        *((one.ensemble.models, one.ensemble.accuracy, one.ensemble.single) if one.ensemble else (None,) * 3),
    )


def _mean(values: Sequence[float]) -> Interval | float | None:
    """The mean over the runs with its interval, where there is one. None of these figures can be below 0."""
    if not values:
        return None
    estimate = interval(values) if all(abs(value) < float("inf") for value in values) else None
    if estimate is None or not estimate.has_interval:
        return fmean(values)
    return Interval(estimate.mean, max(0.0, estimate.low), estimate.high)
