"""One arm over its seeds: the value of each run, their mean, and the runs without a value with the reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sweeps.formatting import status_name
from sweeps.stats import Estimate, interval
from sweeps.storage.results import StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial

NO_CHANCE = "diverged, and the workload defines no chance level"


@dataclass(frozen=True)
class Missing:
    """A run without a value: its replicate (from 0), and its status with the reason, in words."""

    replicate: int
    why: str


@dataclass(frozen=True)
class Level:
    """One arm over its seeds.

    Attributes:
        arm: The arm.
        values: The metric by replicate.
        mean: The mean with its 95 % t interval; None below 2 runs.
        diverged: The number of diverged runs, which count at chance level.
        missing: The runs without a value.
    """

    arm: Arm
    values: Mapping[int, float]
    mean: Estimate | None
    diverged: int
    missing: tuple[Missing, ...]

    @property
    def center(self) -> float | None:
        """The mean of the values, of which there may be one alone; None without any."""
        return sum(self.values.values()) / len(self.values) if self.values else None


@dataclass(frozen=True)
class Figure:
    """The value with which a run counts.

    Attributes:
        part: The labelled set, in the stage final; empty for the study's metric on validation data.
        metric: The metric on that set.
        percent: Whether values lie between 0 and 100, and so does every mean of them.
    """

    part: str = ""
    metric: str = ""
    percent: bool = False

    def of(self, trial: Trial) -> float | None:
        """Return the value of a run that has ended: at chance level if it diverged, None where there is none."""
        value = trial.figure
        if self.part and trial.status is Status.COMPLETE:
            value = trial.metrics.get(self.part, {}).get(self.metric)
        return value if value is not None and math.isfinite(value) else None

    def why_missing(self, trial: Trial) -> str:
        """Return the reason why a run that has ended has no value."""
        if trial.status is Status.DIVERGED:
            return NO_CHANCE
        if trial.status is Status.COMPLETE:
            return f"complete, but without a figure for {self.part}" if self.part else "complete, but without a figure"
        return f"{status_name(trial.status)}: {trial.reason}" if trial.reason else status_name(trial.status)


VALUE = Figure()


def level(stage: StageResults, arm: Arm, figure: Figure = VALUE) -> Level:
    """Return the level of an arm so far. Runs that are still training are neither valued nor missing."""
    ended = {n: run for n, run in sorted(stage.replicates(arm).items()) if run.ended}
    by_replicate = {replicate: figure.of(run) for replicate, run in ended.items()}
    values = {replicate: value for replicate, value in by_replicate.items() if value is not None}
    missing = tuple(Missing(n, figure.why_missing(run)) for n, run in ended.items() if n not in values)
    diverged = sum(run.status is Status.DIVERGED for run in ended.values())
    return Level(arm, values, _mean(values, figure.percent), diverged, missing)


def levels(stage: StageResults, figure: Figure = VALUE) -> tuple[Level, ...]:
    """Return the levels of all applicable arms, in their order."""
    return tuple(level(stage, arm, figure) for arm in stage.arms if arm.applicable)


def _mean(values: Mapping[int, float], percent: bool) -> Estimate | None:
    """The mean with its interval. A t interval of percentages may pass 0 or 100, where no mean can lie: it is cut."""
    mean = interval(list(values.values()))
    return replace(mean, low=max(0.0, mean.low), high=min(100.0, mean.high)) if mean and percent else mean
