"""What a study has found so far: the study, its trials and its provenance, read once and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeps.artifacts.curves import read_curves
from sweeps.artifacts.layout import CURVES, SEARCH, trial_folder
from sweeps.study.study import Study
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial

__all__ = ["CURVES", "SEARCH", "Results", "StageResults", "trial_folder"]

SAME_DATA = "learned_from_same_data"  # in the provenance: the trials of other studies of which that is so


@dataclass(frozen=True)
class StageResults:
    """A stage of replicates: its arms, its runs in the order of numbers, and the facts that it decided by.

    `facts` by stage: ablation has `design`, `wanted` (arm -> replicates asked for), `first` (replicates of Stein's
    first stage; absent with a fixed number), `generators` and `aliases` of a fraction, and `tuned` (arm -> settings
    that re-tuning chose); final has `sets` (labels, "test" first), `openings` (those of the test set by this study),
    `earlier_openings` (how many there were by others) and `unheld` (arm -> settings in the place of early stopping).
    """

    name: str
    arms: tuple[Arm, ...] = ()
    trials: tuple[Trial, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def arm(self, name: str) -> Arm | None:
        """The arm called `name`."""
        return next((arm for arm in self.arms if arm.name == name), None)

    def replicates(self, arm: Arm) -> dict[int, Trial]:
        """The runs of the recipe that `arm` has now, by replicate. Arms of one recipe share their runs."""
        runs = [trial for trial in self.trials if trial.recipe == arm.recipe and trial.status is not Status.ABANDONED]
        return {trial.replicate: trial for trial in runs if trial.replicate is not None}

    @property
    def superseded(self) -> int:
        """How many runs belong to no arm any more: another incumbent has taken the place of theirs."""
        current = {arm.recipe for arm in self.arms}
        return sum(trial.recipe not in current for trial in self.trials)


@dataclass(frozen=True)
class Results:
    """A study's search trials in the order of their numbers, its later stages, and what is known of machine and data.

    `stages` holds those of "confirm", "race", "ablation", "final" that have begun, and one "retune-RECIPE" for each arm
    that was tuned again.
    """

    study: Study
    trials: tuple[Trial, ...]
    environment: Mapping[str, Any]
    folder: Path
    stages: Mapping[str, StageResults] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the commands call this run: its folder, which `--fresh` may have renamed."""
        return self.folder.name

    def ranked(self) -> list[Trial]:
        """The completed trials, best metric first; equal metrics in the order of their numbers."""
        complete = [trial for trial in self.trials if trial.status is Status.COMPLETE and trial.value is not None]
        sign = -1.0 if self.study.metric.goal == "maximize" else 1.0
        return sorted(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))

    def counts(self) -> dict[Status, int]:
        """How many trials have each status, zeros included."""
        return {status: sum(trial.status is status for trial in self.trials) for status in Status}

    @property
    def counted(self) -> int:
        """The trials that count towards `run_cap`."""
        return sum(trial.status.counted for trial in self.trials)

    @property
    def everything(self) -> tuple[Trial, ...]:
        """The trials of every stage."""
        return (*self.trials, *(trial for stage in self.stages.values() for trial in stage.trials))

    def rows(self, number: int, stage: str = SEARCH) -> list[dict[str, float]]:
        """Everything the workload yielded in trial `number`: one row per epoch with the key `epoch` first."""
        return read_curves(self.trial_folder(number, stage) / CURVES)

    def trial_folder(self, number: int, stage: str = SEARCH) -> Path:
        """Where trial `number` of a stage keeps its files."""
        return trial_folder(self.folder, number, stage)
