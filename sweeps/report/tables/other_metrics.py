"""Accuracies beside the study's metric: of the training images, of each level of a hierarchy, of what else there is."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from sweeps.artifacts.layout import VALIDATION
from sweeps.evidence.findings import Findings
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval
from sweeps.stats import interval
from sweeps.storage.results import Results, StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial

ACCURACY = "accuracy"
COLUMNS = ["arm", "data", "figure", "mean", "runs"]
_PARTS = {"val": VALIDATION, "train": "training"}


def further_table(findings: Findings, stage: str) -> pd.DataFrame:
    """A row for each arm of a stage, part of the data and further accuracy: the mean over the runs that completed.

    After the last epoch and, in the stage final, on each labelled set. In percent; empty where there is none.
    """
    found = findings.results.stages.get(stage)
    rows = [
        (arm.name, part, name.replace("_", " "), _mean(values), len(values))
        for arm in (found.arms if found else ())
        if found and arm.applicable
        for (part, name), values in _values(findings.results, found, arm).items()
    ]
    return frame_of(rows, COLUMNS)


def _values(results: Results, stage: StageResults, arm: Arm) -> dict[tuple[str, str], list[float]]:
    """The further accuracies of an arm's completed runs by (part of the data, name)."""
    found: dict[tuple[str, str], list[float]] = {}
    for run in stage.replicates(arm).values():
        if run.status is Status.COMPLETE:
            for part, name, value in (*_after_training(results, run), *_on_sets(results, run)):
                found.setdefault((part, name), []).append(value)
    return found


def _after_training(results: Results, run: Trial) -> Iterator[tuple[str, str, float]]:
    """The accuracies that a run yielded in its last epoch, but for the study's metric."""
    rows = results.rows(run.number, run.stage)
    for column, value in rows[-1].items() if rows else ():
        if column.endswith(ACCURACY) and column != results.study.metric.name:
            part, _, name = column.partition("_")
            yield (_PARTS[part], name, value) if part in _PARTS and name else (VALIDATION, column, value)


def _on_sets(results: Results, run: Trial) -> Iterator[tuple[str, str, float]]:
    """The accuracies of a final model on the labelled sets, but for the study's metric, which has its own table."""
    for part, metrics in run.metrics.items():
        for name, value in metrics.items():
            if name.endswith(ACCURACY) and name != results.study.metric.name.removeprefix("val_"):
                yield part, name, value


def _mean(values: list[float]) -> Interval | float:
    mean = interval(values)
    return Interval(mean.mean, max(0.0, mean.low), min(100.0, mean.high)) if mean else values[0]
