"""Collect the metrics beside the study's: on training data, at each level of a hierarchy, or of another kind."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import fmean

import pandas as pd

from sweeps.artifacts.layout import VALIDATION
from sweeps.evidence.findings import Findings
from sweeps.formatting import unit_of
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval
from sweeps.stats import interval
from sweeps.storage.results import StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial

COLUMNS = ["arm", "data", "figure", "unit", "mean", "runs"]
# The prefixes of metrics, and the part of the data on which they are measured.
_PARTS = {"val": VALIDATION, "train": "training"}


def further_table(findings: Findings, stage: str) -> pd.DataFrame:
    """Return the mean of each further metric over the completed runs of each arm.

    The metrics are those after the last epoch and, in the stage final, those on each labelled set.

    Args:
        findings: The findings of the study.
        stage: The name of the stage; the frame is empty if it has not begun.

    Returns:
        The columns arm, data, figure, unit ("%" or empty), mean and runs.
    """
    begun, percentages = findings.results.stages.get(stage), findings.results.percentages
    rows = [
        (arm.name, part, name.replace("_", " "), unit := unit_of(name, percentages), _mean(values, unit), len(values))
        for arm in (begun.arms if begun else ())
        if begun and arm.applicable
        for (part, name), values in _values(findings, begun, arm).items()
    ]
    return frame_of(rows, COLUMNS)


def _values(findings: Findings, stage: StageResults, arm: Arm) -> dict[tuple[str, str], list[float]]:
    """The further metrics of an arm's completed runs by (part of the data, name). Values are finite."""
    values: dict[tuple[str, str], list[float]] = {}
    for run in stage.replicates(arm).values():
        if run.status is Status.COMPLETE:
            for part, name, value in (*_after_training(findings, run), *_on_sets(findings, run)):
                if math.isfinite(value):
                    values.setdefault((part, name), []).append(value)
    return values


def _after_training(findings: Findings, run: Trial) -> Iterator[tuple[str, str, float]]:
    """The metrics of a run's last epoch, except the study's."""
    for column, value in findings.last_epochs.get((run.stage, run.number), {}).items():
        part, _, name = column.partition("_")
        yield (_PARTS[part], name, value) if part in _PARTS and name else (VALIDATION, column, value)


def _on_sets(findings: Findings, run: Trial) -> Iterator[tuple[str, str, float]]:
    """The metrics of a final model on the labelled sets, except the study's, which has its own table."""
    own = findings.results.study.metric.name.removeprefix("val_")
    for part, metrics in run.metrics.items():
        yield from ((part, name, value) for name, value in metrics.items() if name != own)


def _mean(values: list[float], unit: str) -> Interval | float:
    mean = interval(values)
    if mean is None:  # one or two runs, or equal ones
        return fmean(values)
    # A t interval of percentages may pass 0 or 100, where no mean can lie.
    low, high = (max(0.0, mean.low), min(100.0, mean.high)) if unit else (mean.low, mean.high)
    return Interval(mean.mean, low, high)
