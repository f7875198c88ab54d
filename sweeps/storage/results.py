"""The results of a study so far: its trials, later stages and provenance, read once and frozen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeps.artifacts.confusion import read_confusion
from sweeps.artifacts.curves import read_curves
from sweeps.artifacts.layout import CURVES, SEARCH, VALIDATION, trial_folder
from sweeps.stats.goal import sign
from sweeps.study.search.settled import settled
from sweeps.study.study import Study
from sweeps.trial.arm import Arm
from sweeps.trial.trial import PAUSED, STATES, Status, Trial
from sweeps.trial.work import BaselineWork

# The key of the provenance with the trials of other studies that were trained on the same data as this study.
SAME_DATA = "learned_from_same_data"
# The key of the provenance with the earlier studies that inform the search (`sweeps.samplers.warm_start`).
WARM_START = "warm_start"
# The key of the provenance with how the last run ended (`sweeps.evidence.ending`).
ENDED = "ended"
# The key with the fingerprint of the study that the last run completed, if it did.
COMPLETE = "complete"
# The fact of a stage with what it was to do, and every later change (`sweeps.evidence.declaration`).
DECLARED = "declared"
# The fact of a search whose trials were to pause, but stop: why.
STOPS = "stops"
# The key of the facts of confirm: fresh runs of the incumbent are made once it has been chosen.
FRESH = "fresh"
# The key of the facts of confirm: how its candidates were chosen, where a surrogate did (`sweeps.stages.confirm`).
CANDIDATES = "candidates"
# The key of the provenance with a full training of the baseline, the unit of the search's size: its epochs and MACs.
TRAINING = "training"
# The key of the workload's provenance with the names of the metrics in percent.
PERCENTAGES = "percentages"
# The key of the workload's provenance with the metrics of a model that guesses (`Workload.chance`).
CHANCE = "chance"


@dataclass(frozen=True)
class StageResults:
    """The results of one stage after the search.

    Attributes:
        name: The stage's name.
        arms: The arms that the stage compares now.
        trials: The runs in the order of numbers, also those of earlier arms.
        facts: What else the stage has decided. Of confirm: `fresh`, true where fresh runs of the incumbent follow the
            choice, as in every study begun since they are made; `candidates`, how a surrogate has chosen them. Of the
            ablation: `design`; `wanted`, the number of replicates by arm; `first`, the size of Stein's first stage, or
            `anytime`, the pairs at the first and the last look, unless the number is fixed; `generators` and `aliases`
            of a fractional design; `tuned`, the settings that were tuned again, by arm. Of the final: `sets`, the
            labels of the labelled sets with "test" first; `openings`, those of the test set by this study;
            `earlier_openings`, the number of openings by other studies; `openings_of_parts`, those of other test sets
            that share images with this one; `unheld`, by arm, the settings that replace early stopping. Of each stage:
            `declared`, what it was to do before its first run, and every later change.
        foreign: The number of trials that another program has added to the database. They are not among `trials`.
    """

    name: str
    arms: tuple[Arm, ...] = ()
    trials: tuple[Trial, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    foreign: int = 0

    def arm(self, name: str) -> Arm | None:
        """Return the arm called `name`; None if there is none."""
        return next((arm for arm in self.arms if arm.name == name), None)

    def replicates(self, arm: Arm) -> dict[int, Trial]:
        """Return the runs of an arm's recipe by replicate, without abandoned ones.

        Runs belong to recipes, so arms with the same recipe share them, and runs of an arm's earlier recipe are not
        among them. A failed run that was run again is replaced by its latest attempt.
        """
        runs: dict[int, Trial] = {}
        for trial in self.trials:
            if trial.recipe != arm.recipe or trial.replicate is None or trial.status is Status.ABANDONED:
                continue
            if trial.replicate not in runs or runs[trial.replicate].status.lost:
                runs[trial.replicate] = trial
        return runs

    @property
    def repeated(self) -> tuple[Trial, ...]:
        """The failed replicates that have been run again, with the same seeds, in the order of numbers."""
        latest = {
            (trial.recipe, trial.replicate): trial.number
            for trial in self.trials
            if trial.recipe and trial.status is not Status.ABANDONED
        }
        return tuple(
            trial
            for trial in self.trials
            if trial.status.lost and latest.get((trial.recipe, trial.replicate), -1) > trial.number
        )

    @property
    def superseded(self) -> int:
        """The number of runs whose recipe is that of no arm any more, because the incumbent has changed."""
        current = {arm.recipe for arm in self.arms}
        return sum(trial.recipe not in current for trial in self.trials)


@dataclass(frozen=True)
class Results:
    """The results of a study.

    Attributes:
        study: The study.
        trials: The trials of the search in the order of numbers.
        environment: The provenance: machine, data, code and versions.
        folder: The study's folder.
        stages: The later stages that have begun, by name: confirm, incumbent (its fresh runs), race, ablation,
            final, and one "retune-DIGEST" for each arm that was tuned again.
        foreign_trials: The number of trials that another program has added to the search. They are not among `trials`.
        facts: What else the search has decided: `stops`, why its trials stop although they were to pause.
    """

    study: Study
    trials: tuple[Trial, ...]
    environment: Mapping[str, Any]
    folder: Path
    stages: Mapping[str, StageResults] = field(default_factory=dict)
    foreign_trials: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the study's folder, by which commands find it. `--fresh` may have renamed it."""
        return self.folder.name

    @property
    def settled_study(self) -> Study:
        """The study as it runs: with what its file leaves open and was settled at the first start."""
        return settled(self.study, self.environment)

    @property
    def percentages(self) -> tuple[str, ...]:
        """The names of the metrics in percent, as the workload said (`Workload.percentages`).

        A study of before workloads said so has its accuracies in percent.
        """
        workload = self.environment.get("workload")
        names = workload.get(PERCENTAGES) if isinstance(workload, Mapping) else None
        return tuple(map(str, names)) if isinstance(names, list) else ("accuracy",)

    @property
    def chance(self) -> float | None:
        """The study's metric of a model that guesses, as the workload said; None if it did not.

        A study of before this was recorded has that of the data's classes for an accuracy in percent.
        """
        name, workload = self.study.metric.name, self.environment.get("workload") or {}
        if CHANCE in workload:
            level = workload[CHANCE].get(name)
            return None if level is None else float(level)
        classes = (self.environment.get("data") or {}).get("classes")
        # Not of a coarser accuracy, whose groups are fewer than the classes.
        in_percent = name in ("accuracy", "val_accuracy") and "accuracy" in self.percentages
        return 100 / classes if in_percent and isinstance(classes, int) and classes > 0 else None

    def images(self, stage: StageResults, part: str = "") -> int | None:
        """Return the number of labelled images on which the runs of a stage were measured; None if it is not known.

        Args:
            stage: The stage.
            part: The labelled set, in the stage final; empty for validation data.
        """
        recorded = (self.environment.get("data") or {}).get("validation_images")
        if not part and isinstance(recorded, int) and recorded > 0:
            return recorded
        first = next((trial for trial in stage.trials if trial.status is Status.COMPLETE), None)
        if first is None:
            return None
        try:
            confusion = read_confusion(self.run_folder(first), part or VALIDATION)
        except ValueError:  # damaged, which the section of the classes says
            return None
        return confusion.total or None if confusion is not None else None

    def ranked(self) -> list[Trial]:
        """Return the completed trials of the search, best first; equal ones in the order of numbers."""
        complete = [trial for trial in self.trials if trial.status is Status.COMPLETE and trial.value is not None]
        factor = -sign(self.study.metric.goal)
        return sorted(complete, key=lambda trial: (factor * (trial.value or 0.0), trial.number))

    def counts(self) -> dict[Status, int]:
        """Return the number of trials of the search for every status, including zeros."""
        return {status: sum(trial.status is status for trial in self.trials) for status in Status}

    def states(self) -> dict[str, int]:
        """Return the number of trials of the search in every state, including zeros: paused ones are not running."""
        counts = Counter(trial.state for trial in self.trials)
        return {state: counts[state] for state in STATES}

    @property
    def paused(self) -> int:
        """The number of trials of the search that are paused."""
        return self.states()[PAUSED]

    @property
    def begun(self) -> int:
        """The number of trials of the search with a place in `run_cap`: those that count, and paused ones."""
        return self.counted + self.paused

    @property
    def counted(self) -> int:
        """The number of trials of the search that count towards `run_cap`."""
        return sum(trial.status.counted for trial in self.trials)

    @property
    def trainings(self) -> float | None:
        """What the search has cost so far, in full trainings of the baseline.

        None where the study has recorded no training of its baseline, as those of before this was counted.
        """
        unit = self.environment.get(TRAINING)
        return None if unit is None else BaselineWork(**unit).spent(self.trials)

    @property
    def everything(self) -> tuple[Trial, ...]:
        """The trials of every stage."""
        return (*self.trials, *(trial for stage in self.stages.values() for trial in stage.trials))

    @property
    def ended(self) -> int:
        """The number of trials of all stages that have ended."""
        return sum(trial.ended for trial in self.everything)

    @property
    def measured(self) -> bool:
        """Whether anything of a run is kept: not where each has failed before its first epoch or was given up."""
        kept = (trial for trial in self.everything if not (trial.status.lost or trial.status is Status.ABANDONED))
        return any(kept) or any(trial.epochs for trial in self.everything)

    @property
    def foreign(self) -> int:
        """The number of trials of all stages that another program has added to the database."""
        return self.foreign_trials + sum(stage.foreign for stage in self.stages.values())

    def rows(self, number: int, stage: str = SEARCH) -> list[dict[str, float]]:
        """Return the rows of a trial's `curves.csv` in the order of epochs (see `sweeps.artifacts.curves`)."""
        return read_curves(self.trial_folder(number, stage) / CURVES)

    def run_folder(self, trial: Trial) -> Path:
        """Return the folder with the files of a run. One from the result cache has those of the run it was taken from.

        Where that study is not in the runs folder, as after `sweep open`, it is the run's own, into which they were
        packed.
        """
        own = self.trial_folder(trial.number, trial.stage)
        if not trial.source:
            return own
        study, stage, number = trial.source.rsplit("/", 2)
        source = trial_folder(self.folder.parent / study, int(number), stage)
        return source if source.is_dir() else own

    def trial_folder(self, number: int, stage: str = SEARCH) -> Path:
        """Return the folder of a trial's files. It need not exist."""
        return trial_folder(self.folder, number, stage)
