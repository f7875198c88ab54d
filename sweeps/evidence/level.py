"""One arm over its seeds: the value of each run, their mean, and the runs without a value with the reason.

A run that diverged counts at chance level. One that stays finite may end there too: it has *collapsed* if other runs of
its arm did not (`Chance`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import median

from sweeps.formatting import status_name
from sweeps.stats import Estimate, interval
from sweeps.stats.goal import Goal, sign
from sweeps.storage.results import StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial

NO_CHANCE = "diverged, and the workload defines no chance level"
STANDARD_ERRORS = 1.96  # of a guess, within which a share of images is at chance: 95 %
RELATIVE = 0.02  # of the chance level, where the number of images is not known or the metric is no percentage
CLEAR = 5.0  # errors from chance level beyond which the other runs of an arm are clear of it


@dataclass(frozen=True)
class Missing:
    """A run without a value: its replicate (from 0), and its status with the reason, in words."""

    replicate: int
    why: str


@dataclass(frozen=True)
class Chance:
    """The metric of a model that guesses, and how near to it a run counts as at chance.

    Attributes:
        value: The chance level, in the metric's units.
        error: The largest distance from it that guessing explains.
        goal: Whether larger or smaller values are better.
        percent: Whether the metric is in percent. Then a value worse than chance is at chance too; a loss worse than
            chance may be that of a model that has learned, but is too sure of itself.
    """

    value: float
    error: float
    goal: Goal
    percent: bool

    @classmethod
    def of(cls, value: float, goal: Goal, percent: bool, images: int | None) -> Chance:
        """Return the chance level of a metric.

        The error is 1.96 binomial standard errors of a percentage over `images`, else 2 % of the chance level.
        """
        share = value / 100
        if not percent or images is None or not 0 < share < 1:
            return cls(value, RELATIVE * abs(value), goal, percent)
        return cls(value, 100 * STANDARD_ERRORS * math.sqrt(share * (1 - share) / images), goal, percent)

    def collapsed(self, values: Mapping[int, float]) -> frozenset[int]:
        """Return the replicates of one arm that are at chance while the others are not.

        Args:
            values: The metric by replicate, without diverged runs.

        Returns:
            Empty unless the median of the other runs is better than chance by more than 5 errors. So an arm that learns
            hardly anything has not collapsed.
        """
        gains = {replicate: sign(self.goal) * (value - self.value) for replicate, value in values.items()}
        guessing = frozenset(n for n, gain in gains.items() if (gain if self.percent else abs(gain)) <= self.error)
        others = [gain for replicate, gain in gains.items() if replicate not in guessing]
        return guessing if others and median(others) > CLEAR * self.error else frozenset()


@dataclass(frozen=True)
class Level:
    """One arm over its seeds.

    Attributes:
        arm: The arm.
        values: The metric by replicate.
        mean: The mean with its 95 % t interval; None below 3 runs, or if all values are equal and the metric's
            resolution is not known.
        diverged: The number of diverged runs, which count at chance level; without a known one they are missing.
        missing: The runs without a value.
        collapsed: The number of finite runs that ended at chance level while others of the arm did not; None where no
            chance level is known, so that it was not judged.
        broken: The replicates with a value that diverged or collapsed.
    """

    arm: Arm
    values: Mapping[int, float]
    mean: Estimate | None
    diverged: int
    missing: tuple[Missing, ...]
    collapsed: int | None = None
    broken: frozenset[int] = frozenset()

    @property
    def center(self) -> float | None:
        """The mean of the values, of which there may be one alone; None without any."""
        return sum(self.values.values()) / len(self.values) if self.values else None

    @property
    def imputed(self) -> int:
        """The number of diverged runs that count at chance level."""
        return len(self.broken) - (self.collapsed or 0)

    @property
    def failures(self) -> int:
        """The number of runs that diverged or collapsed."""
        return self.diverged + (self.collapsed or 0)


@dataclass(frozen=True)
class Figure:
    """The value with which a run counts.

    Attributes:
        part: The labelled set, in the stage final; empty for the study's metric on validation data.
        metric: The metric on that set.
        percent: Whether values lie between 0 and 100, and so does every mean of them.
        chance: The chance level; None where it is not known.
        resolution: The step to which values are rounded, that of one image; None where it is not known.
    """

    part: str = ""
    metric: str = ""
    percent: bool = False
    chance: Chance | None = None
    resolution: float | None = None

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
    diverged = frozenset(replicate for replicate, run in ended.items() if run.status is Status.DIVERGED)
    collapsed = _collapsed(values, diverged, figure.chance)
    broken = (diverged & values.keys()) | (collapsed or frozenset())
    counts = len(diverged), missing, None if collapsed is None else len(collapsed)
    return Level(arm, values, _mean(values, figure), *counts, broken)


def levels(stage: StageResults, figure: Figure = VALUE) -> tuple[Level, ...]:
    """Return the levels of all applicable arms, in their order."""
    return tuple(level(stage, arm, figure) for arm in stage.arms if arm.applicable)


def _collapsed(values: Mapping[int, float], diverged: frozenset[int], chance: Chance | None) -> frozenset[int] | None:
    if chance is None:
        return None
    return chance.collapsed({replicate: value for replicate, value in values.items() if replicate not in diverged})


def _mean(values: Mapping[int, float], figure: Figure) -> Estimate | None:
    """The mean with its interval. A t interval of percentages may pass 0 or 100, where no mean can lie: it is cut."""
    mean = interval(list(values.values()), figure.resolution)
    return replace(mean, low=max(0.0, mean.low), high=min(100.0, mean.high)) if mean and figure.percent else mean
