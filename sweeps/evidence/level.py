"""One arm over its seeds: which runs gave a figure, and which did not and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sweeps.formatting import status_name
from sweeps.stats import Estimate, interval
from sweeps.storage.results import StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial

NO_CHANCE = "diverged, and the workload does not say what guessing reaches"


@dataclass(frozen=True)
class Missing:
    """A run that gave no figure: its replicate (from 0), its status in words, and the reason."""

    replicate: int
    why: str


@dataclass(frozen=True)
class Level:
    """One arm over its seeds: the metric by replicate, and its mean with a 95 % t interval (None below 2 runs)."""

    arm: Arm
    values: Mapping[int, float]
    mean: Estimate | None
    diverged: int
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class Figure:
    """Which figure of a run counts: its value or, in the stage final, `metric` on the labelled set `part`.

    `percent`: the figure lies between 0 and 100, and so does every mean of it.
    """

    part: str = ""
    metric: str = ""
    percent: bool = False

    def of(self, trial: Trial) -> float | None:
        """The figure of a run that has ended: a diverged run's is what guessing reaches. None where there is none."""
        found: float | None = None
        if trial.status is Status.DIVERGED:
            found = trial.curve[trial.epochs] if trial.curve else None
        elif trial.status is Status.COMPLETE:
            found = trial.metrics.get(self.part, {}).get(self.metric) if self.part else trial.value
        return found if found is not None and math.isfinite(found) else None

    def why_missing(self, trial: Trial) -> str:
        """Why a run that has ended gave no figure."""
        if trial.status is Status.DIVERGED:
            return NO_CHANCE
        if trial.status is Status.COMPLETE:
            return f"complete, but without a figure for {self.part}" if self.part else "complete, but without a figure"
        return f"{status_name(trial.status)}: {trial.reason}" if trial.reason else status_name(trial.status)


VALUE = Figure()


def level(stage: StageResults, arm: Arm, figure: Figure = VALUE) -> Level:
    """What the runs of `arm` gave so far; a run that is still training is not there yet."""
    ended = {n: run for n, run in sorted(stage.replicates(arm).items()) if run.status is not Status.RUNNING}
    found = {replicate: figure.of(run) for replicate, run in ended.items()}
    values = {replicate: value for replicate, value in found.items() if value is not None}
    missing = tuple(Missing(n, figure.why_missing(run)) for n, run in ended.items() if n not in values)
    diverged = sum(run.status is Status.DIVERGED for run in ended.values())
    return Level(arm, values, _mean(values, figure.percent), diverged, missing)


def _mean(values: Mapping[int, float], percent: bool) -> Estimate | None:
    """The mean with its interval, which is cut where no mean of percentages can lie."""
    mean = interval(list(values.values()))
    return replace(mean, low=max(0.0, mean.low), high=min(100.0, mean.high)) if mean and percent else mean


def levels(stage: StageResults, figure: Figure = VALUE) -> tuple[Level, ...]:
    """The levels of all applicable arms, in their order."""
    return tuple(level(stage, arm, figure) for arm in stage.arms if arm.applicable)
