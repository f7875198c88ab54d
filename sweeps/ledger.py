"""One stage's trials: an Optuna study as the only truth about them, and each trial's files beside it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from ruamel.yaml import YAML

from sweeps.codec import decode
from sweeps.curves import append_curve, read_curves
from sweeps.errors import UserError
from sweeps.files import write_atomic
from sweeps.gate import Assessment
from sweeps.record import BadRecord, read_record, write_record
from sweeps.results import CURVES, StageResults, trial_folder
from sweeps.saved import RECIPE, RECORD
from sweeps.space import Space
from sweeps.study import Study
from sweeps.trial import Outcome, Status, Trial
from sweeps.variants import Arm, from_plain, plain

__all__ = ["RECIPE", "WAY_OUT", "Damaged", "Ledger"]

WAY_OUT = "restore the folder from a backup, or start anew with --fresh"

_TOLD_AS = {
    Status.COMPLETE: TrialState.COMPLETE,
    Status.PRUNED: TrialState.PRUNED,
    # TPE ignores FAIL and would come back to the same place: what the configuration is to blame for is PRUNED.
    Status.DIVERGED: TrialState.PRUNED,
    Status.OUT_OF_MEMORY: TrialState.PRUNED,
    Status.REJECTED: TrialState.PRUNED,
    Status.FAILED: TrialState.FAIL,
    Status.DUPLICATE: TrialState.FAIL,
    Status.ABANDONED: TrialState.FAIL,
}


class Damaged(UserError):
    """The storage and the records beside it contradict each other, or one cannot be read."""


class Ledger:
    """The trials of one stage. `space` is what its trials search; nothing in a stage of replicates."""

    def __init__(self, storage: RDBStorage, folder: Path, study: Study, stage: str, space: Space) -> None:
        self.folder = folder
        self.stage = stage
        self._metric = study.metric.name
        self._space = space
        self._storage = storage
        self.optuna_study = optuna.create_study(
            storage=storage, study_name=stage, direction=study.metric.goal, load_if_exists=True
        )
        self._id = storage.get_study_id_from_name(stage)

    # -- what is known ------------------------------------------------------------------------------------------------

    def trials(self) -> list[Trial]:
        """Every trial in the order of numbers; those merely enqueued are left out."""
        frozen = self.optuna_study.get_trials(deepcopy=False)
        return [self._trial(trial) for trial in frozen if trial.state is not TrialState.WAITING]

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
        self.optuna_study.set_user_attr("arms", [plain(arm) for arm in arms])

    def set_facts(self, facts: Mapping[str, Any]) -> None:
        """Replace what the stage decided by."""
        self.optuna_study.set_user_attr("facts", dict(facts))

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
        value = metrics.get(self._metric)
        if value is not None and epoch not in self._frozen(number).intermediate_values:
            self._storage.set_trial_intermediate_value(self._trial_id(number), epoch, value)

    def record_chance(self, number: int, value: float) -> None:
        """Record what a run counts with that turned out to have diverged after its last epoch."""
        epoch = 1 + max((int(row["epoch"]) for row in self.rows(number)), default=0)
        self._storage.set_trial_intermediate_value(self._trial_id(number), epoch, value)

    def reject(self, number: int, assessment: Assessment) -> Trial:
        """Record that the gate refused a configuration, by how much of each limit."""
        trial = optuna.Trial(self.optuna_study, self._trial_id(number))
        for name, violation in assessment.violations.items():
            if name not in trial.constraints:  # set already by a driver that was killed here
                trial.set_constraint(name, violation)
        self.annotate(number, cost=dict(assessment.cost))
        return self.finish(number, Outcome(Status.REJECTED, assessment.reason))

    def abandon(self, number: int, reason: str) -> Trial:
        """Record that a trial was given up before it trained; what was enqueued for it is enqueued again."""
        enqueued = self._frozen(number).system_attrs.get("fixed_params")
        trial = self.finish(number, Outcome(Status.ABANDONED, reason), seconds=round(self.device_seconds(number), 4))
        if enqueued:
            self.optuna_study.enqueue_trial(enqueued)
        return trial

    def annotate(self, number: int, **attributes: Any) -> None:
        """Note facts about a trial that has not ended."""
        for name, value in attributes.items():
            self._storage.set_trial_user_attr(self._trial_id(number), name, value)

    def finish(self, number: int, outcome: Outcome, value: float | None = None, seconds: float = 0.0) -> Trial:
        """Tell the storage how a trial ended, and leave its record. A COMPLETE trial needs its `value`."""
        self.annotate(number, status=outcome.status.value, reason=outcome.reason, seconds=seconds)
        values = value if outcome.status is Status.COMPLETE else None
        self.optuna_study.tell(number, values, state=_TOLD_AS[outcome.status], skip_if_finished=True)
        if outcome.details:
            self._log(number, outcome.details)
        trial = self.trial(number)
        self._leave_record(trial)
        if outcome.status is not Status.COMPLETE:
            shutil.rmtree(self.trial_folder(number) / "checkpoint", ignore_errors=True)
        return trial

    def reconcile(self) -> None:
        """Compare every finished trial with its record; write the records that a kill left out. Raises Damaged."""
        for trial in self.trials():
            if trial.status is Status.RUNNING:
                continue
            path = self.trial_folder(trial.number) / RECORD
            if not path.exists():
                self._leave_record(trial)
                continue
            try:
                recorded = read_record(path)
            except BadRecord as error:
                raise Damaged(f"{path}: {error}") from None
            if recorded != trial:
                raise Damaged(
                    f"trial {trial.number} of the {self.stage} differs between {self.folder / 'study.db'} and {path}: "
                    f"one of them was damaged or edited; {WAY_OUT}"
                )

    # -- Optuna -------------------------------------------------------------------------------------------------------

    def _frozen(self, number: int) -> FrozenTrial:
        return self._storage.get_trial(self._trial_id(number))

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)

    def _trial(self, frozen: FrozenTrial) -> Trial:
        attributes = frozen.user_attrs
        return Trial(
            number=frozen.number,
            stage=self.stage,
            status=_status(frozen),
            parameters=decode(self._space, frozen.params),
            variant=attributes.get("variant", ""),
            replicate=attributes.get("replicate"),
            recipe=attributes.get("recipe", ""),
            value=frozen.value if frozen.state is TrialState.COMPLETE else None,
            curve=dict(sorted(frozen.intermediate_values.items())),
            metrics=attributes.get("metrics", {}),
            cost=attributes.get("cost", {}),
            reason=attributes.get("reason", ""),
            source=attributes.get("source", ""),
            key=attributes.get("key", ""),
            trained=attributes.get("trained", 0),
            seed=attributes.get("seed", 0),
            seconds=attributes.get("seconds", 0.0),
            started=_aware(frozen.datetime_start),
            finished=_aware(frozen.datetime_complete),
        )

    # -- files --------------------------------------------------------------------------------------------------------

    def _leave_record(self, trial: Trial) -> None:
        folder = self.trial_folder(trial.number)
        folder.mkdir(parents=True, exist_ok=True)
        write_record(folder / RECORD, trial)

    def _log(self, number: int, text: str) -> None:
        with (self.trial_folder(number) / "log.txt").open("a", encoding="utf-8") as file:
            file.write(text.rstrip("\n") + "\n")


def _status(frozen: FrozenTrial) -> Status:
    if frozen.state in (TrialState.RUNNING, TrialState.WAITING):
        return Status.RUNNING
    return Status(frozen.user_attrs["status"])


def _aware(moment: datetime | None) -> datetime | None:
    """Optuna keeps local time without a zone."""
    return moment.astimezone(UTC) if moment else None
