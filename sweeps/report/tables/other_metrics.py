"""Collect the accuracies beside the study's metric: on training data, or at each level of a hierarchy of classes."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from sweeps.artifacts.layout import VALIDATION
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval
from sweeps.stats import interval
from sweeps.storage.results import Results, StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial

ACCURACY = "accuracy"
COLUMNS = ["arm", "data", "figure", "mean", "runs"]
# The prefixes of metrics, and the part of the data on which they are measured.
_PARTS = {"val": VALIDATION, "train": "training"}
# The accuracies of one run: (part of the data, name, value in percent).
Accuracies = list[tuple[str, str, float]]


def further_table(results: Results, stage: str) -> pd.DataFrame:
    """Return the mean of each further accuracy over the completed runs of each arm, in percent.

    The accuracies are those after the last epoch and, in the stage final, those on each labelled set. The curve file of
    each run is read once.

    Args:
        results: The results of the study.
        stage: The name of the stage; the frame is empty if it has not begun.
    """
    begun = results.stages.get(stage)
    by_run: dict[int, Accuracies] = {}  # arms of one recipe share their runs
    rows = [
        (arm.name, part, name.replace("_", " "), _mean(values), len(values))
        for arm in (begun.arms if begun else ())
        if begun and arm.applicable
        for (part, name), values in _values(results, begun, arm, by_run).items()
    ]
    return frame_of(rows, COLUMNS)


def _values(
    results: Results, stage: StageResults, arm: Arm, by_run: dict[int, Accuracies]
) -> dict[tuple[str, str], list[float]]:
    """The further accuracies of an arm's completed runs by (part of the data, name)."""
    values: dict[tuple[str, str], list[float]] = {}
    for run in stage.replicates(arm).values():
        if run.status is not Status.COMPLETE:
            continue
        if run.number not in by_run:
            by_run[run.number] = [*_after_training(results, run), *_on_sets(results, run)]
        for part, name, value in by_run[run.number]:
            values.setdefault((part, name), []).append(value)
    return values


def _after_training(results: Results, run: Trial) -> Iterator[tuple[str, str, float]]:
    """The accuracies of a run's last epoch, except the study's metric."""
    rows = results.rows(run.number, run.stage)
    for column, value in rows[-1].items() if rows else ():
        if column.endswith(ACCURACY) and column != results.study.metric.name:
            part, _, name = column.partition("_")
            yield (_PARTS[part], name, value) if part in _PARTS and name else (VALIDATION, column, value)


def _on_sets(results: Results, run: Trial) -> Iterator[tuple[str, str, float]]:
    """The accuracies of a final model on the labelled sets, except the study's metric, which has its own table."""
    for part, metrics in run.metrics.items():
        for name, value in metrics.items():
            if name.endswith(ACCURACY) and name != results.study.metric.name.removeprefix("val_"):
                yield part, name, value


def _mean(values: list[float]) -> Interval | float:
    mean = interval(values)
    # A t interval of percentages may pass 0 or 100, where no mean can lie.
    return Interval(mean.mean, max(0.0, mean.low), min(100.0, mean.high)) if mean else values[0]
