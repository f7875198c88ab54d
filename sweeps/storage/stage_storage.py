"""One stage's trials: an Optuna study as the only truth about them, and each trial's files beside it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial
from ruamel.yaml import YAML

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.curves import append_curve, read_curves
from sweeps.artifacts.layout import CURVES, RECIPE, RECORD, stage_file, trial_folder
from sweeps.artifacts.record import digest, write_record, write_sealed
from sweeps.io.files import write_atomic
from sweeps.space.distributions import distribution
from sweeps.space.encoding import decode, encode
from sweeps.space.space import Space
from sweeps.storage.rdb import CachedRDBStorage
from sweeps.storage.results import StageResults
from sweeps.study.study import Study
from sweeps.trial.arm import Arm, from_plain, plain
from sweeps.trial.assessment import Feasibility
from sweeps.trial.trial import Outcome, Status, Trial

__all__ = ["RECIPE", "StageStorage"]

# What stands in a trial's user attributes, under the name of the field.
_ATTRIBUTES = (
    *("status", "variant", "replicate", "recipe", "metrics", "cost", "reason", "source", "key"),
    *("trained", "deaths", "drift", "seed", "seconds"),
)


class StageStorage:
    """The trials of one stage. `space` is what its trials search; nothing in a stage of replicates."""

    def __init__(self, storage: CachedRDBStorage, folder: Path, study: Study, stage: str, space: Space) -> None:
        self.folder = folder
        self.stage = stage
        self.metric = study.metric.name
        self._space = space
        self._storage = storage
        self.optuna_study = optuna.create_study(
            storage=storage, study_name=stage, direction=study.metric.goal, load_if_exists=True
        )
        self._id = storage.get_study_id_from_name(stage)
        self._seen: dict[int, tuple[FrozenTrial, Trial]] = {}

    # -- what is known ------------------------------------------------------------------------------------------------

    def trials(self) -> list[Trial]:
        """Every trial in the order of numbers; those merely enqueued are left out."""
        frozen = self.optuna_study.get_trials(deepcopy=False)
        return [self._trial(trial) for trial in frozen if trial.state is not TrialState.WAITING]

    def refresh(self) -> None:
        """Look at the database anew: another process may be writing."""
        self._storage.refresh()

    def trial(self, number: int) -> Trial:
        """One trial. Raises KeyError when there is none of this number."""
        return self._trial(self._frozen(number))

    def results(self) -> StageResults:
        """The stage's arms, runs and facts."""
        attributes = self.optuna_study.user_attrs
        arms = tuple(from_plain(arm) for arm in attributes.get("arms", ()))
        return StageResults(self.stage, arms, tuple(self.trials()), attributes.get("facts", {}))

    def unfinished(self) -> list[tuple[int, dict[str, Any]]]:
        """The trials that a driver left running: (number, stored parameters), in the order of their numbers."""
        running = self.optuna_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [(trial.number, dict(trial.params)) for trial in running]

    def waiting(self) -> bool:
        """Whether an enqueued trial has not been asked for yet."""
        return bool(self.optuna_study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def next_number(self) -> int:
        """The number of trials that exist, whatever their state."""
        return len(self.optuna_study.get_trials(deepcopy=False))

    def noted(self, number: int, name: str) -> Any:
        """What `annotate` noted about a trial under a name; None if nothing."""
        return self._frozen(number).user_attrs.get(name)

    def decided(self) -> dict[str, Any]:
        """The arms and the facts of the stage as plain data."""
        attributes = self.optuna_study.user_attrs
        return {"arms": attributes.get("arms", []), "facts": attributes.get("facts", {})}

    def trial_folder(self, number: int) -> Path:
        """Where a trial keeps its files."""
        return trial_folder(self.folder, number, self.stage)

    def rows(self, number: int) -> list[dict[str, float]]:
        """Everything that a trial's workload yielded, by epoch."""
        return read_curves(self.trial_folder(number) / CURVES)

    def device_seconds(self, number: int) -> float:
        """The device time of the epochs recorded so far."""
        return sum(row["device_seconds"] for row in self.rows(number))

    # -- what happens -------------------------------------------------------------------------------------------------

    def set_arms(self, arms: list[Arm]) -> None:
        """Replace the stage's arms."""
        self.decide(arms=[plain(arm) for arm in arms])

    def set_facts(self, facts: Mapping[str, Any]) -> None:
        """Replace what the stage decided by."""
        self.decide(facts=dict(facts))

    def decide(self, **decided: Any) -> None:
        """Replace the plain `arms` or `facts`: first in the file that proves itself, then in the storage."""
        known = self.decided()
        self.leave_stage(known, {**known, **decided})
        for name, content in decided.items():
            self.optuna_study.set_user_attr(name, content)

    def add_replicate(self, arm: Arm, replicate: int) -> int:
        """A new trial of an arm, running from the moment that it exists; its number."""
        attributes = {"variant": arm.name, "replicate": replicate, "recipe": arm.recipe}
        template = create_trial(state=TrialState.RUNNING, user_attrs=attributes)
        return self._storage.get_trial_number_from_id(self._storage.create_new_trial(self._id, template))

    def begin(self, number: int, settings: Mapping[str, Any], cost: Mapping[str, int], seed: int, key: str) -> None:
        """Note that a trial has been accepted and is about to train."""
        folder = self.trial_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        recipe = io.StringIO()
        YAML(typ="safe", pure=True).dump(dict(settings), recipe)
        write_atomic(folder / RECIPE, recipe.getvalue())
        self.annotate(number, cost=dict(cost), seed=seed, key=key)

    def record_epoch(self, number: int, epoch: int, metrics: Mapping[str, float], seconds: float) -> None:
        """Record an epoch, once: a repeated one changes nothing. The storage learns the study's metric."""
        append_curve(self.trial_folder(number) / CURVES, epoch, metrics, seconds)
        value = metrics.get(self.metric)
        if value is not None and epoch not in self._frozen(number).intermediate_values:
            self._storage.set_trial_intermediate_value(self._trial_id(number), epoch, value)

    def record_chance(self, number: int, value: float) -> None:
        """Record what a run counts with that turned out to have diverged after its last epoch."""
        epoch = 1 + max((int(row["epoch"]) for row in self.rows(number)), default=0)
        self._storage.set_trial_intermediate_value(self._trial_id(number), epoch, value)

    def reject(self, number: int, assessment: Feasibility) -> Trial:
        """Record that the gate refused a configuration, by how much of each limit."""
        trial = optuna.Trial(self.optuna_study, self._trial_id(number))
        for name, violation in assessment.violations.items():
            if name not in trial.constraints:  # set already by a driver that was killed here
                trial.set_constraint(name, violation)
        self.annotate(number, cost=dict(assessment.cost))
        return self.finish(number, Outcome(Status.REJECTED, assessment.reason))

    def abandon(self, number: int, reason: str, *, again: bool = False) -> Trial:
        """Record that a trial was given up; what was enqueued for it, or with `again` what it was, is enqueued anew."""
        frozen = self._frozen(number)
        enqueued = frozen.system_attrs.get("fixed_params") or (frozen.params if again else None)
        trial = self.finish(number, Outcome(Status.ABANDONED, reason), seconds=round(self.device_seconds(number), 4))
        if enqueued:
            self.optuna_study.enqueue_trial(enqueued)
        return trial

    def annotate(self, number: int, **attributes: Any) -> None:
        """Note facts about a trial that has not ended."""
        with self._storage.together():
            for name, value in attributes.items():
                self._storage.set_trial_user_attr(self._trial_id(number), name, value)

    def finish(self, number: int, outcome: Outcome, value: float | None = None, seconds: float = 0.0) -> Trial:
        """Tell the storage how a trial ended, and leave its record. A COMPLETE trial needs its `value`."""
        values = value if outcome.status is Status.COMPLETE else None
        with self._storage.together():
            self.annotate(number, status=outcome.status.value, reason=outcome.reason, seconds=seconds)
            self.optuna_study.tell(number, values, state=TrialState[outcome.status.optuna_state], skip_if_finished=True)
        if outcome.details:
            self._log(number, outcome.details)
        trial = self.trial(number)
        self.leave_record(trial)
        checkpoints = self.trial_folder(number) / "checkpoint"
        if outcome.status is Status.COMPLETE:
            CheckpointFolder(checkpoints).keep_newest()
        else:
            shutil.rmtree(checkpoints, ignore_errors=True)
        return trial

    def together(self) -> AbstractContextManager[object]:
        """What is written to the storage within becomes durable at the end, all of it or nothing."""
        return self._storage.together()

    def restore(self, trials: Iterable[tuple[Trial, Mapping[str, float]]]) -> None:
        """Add trials that have ended as their records have them, under the next numbers, with what kept each out."""
        self._storage.create_new_trials(self._id, [self._frozen_of(*each) for each in trials])

    def _frozen_of(self, trial: Trial, violations: Mapping[str, float]) -> FrozenTrial:
        attributes = {name: getattr(trial, name) for name in _ATTRIBUTES}
        kinds = {dimension.key: distribution(dimension) for dimension in self._space.dimensions}
        frozen = create_trial(
            state=TrialState[trial.status.optuna_state],
            value=trial.value if trial.status is Status.COMPLETE else None,
            params=encode(self._space, trial.parameters),
            distributions={key: kinds[key] for key in trial.parameters},
            user_attrs={name: content for name, content in attributes.items() if content is not None},
            intermediate_values=dict(trial.curve),
            constraints=dict(violations) or None,
        )
        frozen.datetime_start, frozen.datetime_complete = _local(trial.started), _local(trial.finished)
        return frozen

    # -- Optuna -------------------------------------------------------------------------------------------------------

    def _frozen(self, number: int) -> FrozenTrial:
        return self._storage.get_trial(self._trial_id(number))

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)

    def _trial(self, frozen: FrozenTrial) -> Trial:
        seen, trial = self._seen.get(frozen.number, (None, None))
        if trial is None or seen is not frozen:  # the storage has another object for a trial once it has changed
            trial = self._read(frozen)
            self._seen[frozen.number] = frozen, trial
        return trial

    def _read(self, frozen: FrozenTrial) -> Trial:
        noted = {name: frozen.user_attrs[name] for name in _ATTRIBUTES if name in frozen.user_attrs}
        return Trial(
            number=frozen.number,
            stage=self.stage,
            parameters=decode(self._space, frozen.params),
            value=frozen.value if frozen.state is TrialState.COMPLETE else None,
            curve=dict(sorted(frozen.intermediate_values.items())),
            started=_aware(frozen.datetime_start),
            finished=_aware(frozen.datetime_complete),
            **{**noted, "status": _status(frozen)},
        )

    # -- files --------------------------------------------------------------------------------------------------------

    def leave_record(self, trial: Trial) -> None:
        """Write down a trial that has ended."""
        folder = self.trial_folder(trial.number)
        folder.mkdir(parents=True, exist_ok=True)
        write_record(folder / RECORD, trial)

    def leave_stage(self, before: Mapping[str, Any], decided: Mapping[str, Any]) -> None:
        """Write down what the stage decides by, and a digest of what it decided by until now."""
        file = stage_file(self.folder, self.stage)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(file, {"decided": dict(decided), "before": digest(before)})

    def _log(self, number: int, text: str) -> None:
        with (self.trial_folder(number) / "log.txt").open("a", encoding="utf-8") as file:
            file.write(text.rstrip("\n") + "\n")


def _local(moment: datetime | None) -> datetime | None:
    return moment.astimezone().replace(tzinfo=None) if moment else None


def _status(frozen: FrozenTrial) -> Status:
    if frozen.state in (TrialState.RUNNING, TrialState.WAITING):
        return Status.RUNNING
    return Status(frozen.user_attrs["status"])


def _aware(moment: datetime | None) -> datetime | None:
    """Optuna keeps local time without a zone."""
    return moment.astimezone(UTC) if moment else None
