"""A study's folder: Optuna's storage as the only truth about trials, and the files beside it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from ruamel.yaml import YAML
from sqlalchemy import URL

from sweeps.codec import decode
from sweeps.errors import UserError
from sweeps.files import write_atomic
from sweeps.gate import Assessment
from sweeps.record import BadRecord, read_record, write_record
from sweeps.results import CURVES, Results, read_curves, trial_folder
from sweeps.study import Study, dump
from sweeps.trial import Outcome, Status, Trial

SEARCH = "search"
STUDY_FILE = "study.yaml"
DATABASE = "study.db"
ENVIRONMENT = "environment.json"
RECORD = "record.json"
RECIPE = "recipe.yaml"
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


class Store:
    """The folder of one study. One driver at a time changes it (`sweeps.lock`); anyone may read it."""

    def __init__(self, folder: Path, study: Study) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder = folder
        self.study = study
        self._storage = _open_storage(folder / DATABASE)
        self.optuna_study = optuna.create_study(
            storage=self._storage, study_name=SEARCH, direction=study.metric.goal, load_if_exists=True
        )
        self._id = self._storage.get_study_id_from_name(SEARCH)

    @classmethod
    def open(cls, folder: Path, study: Study) -> Store:
        """The store in `folder`, begun if it is new. What may grow of `study` replaces what the folder holds."""
        store = cls(folder, study)
        write_atomic(folder / STUDY_FILE, dump(study))
        return store

    def close(self) -> None:
        """Let go of the database."""
        self._storage.engine.dispose()

    # -- what is known ------------------------------------------------------------------------------------------------

    def trials(self) -> list[Trial]:
        """Every trial in the order of numbers; those merely enqueued are left out."""
        frozen = self.optuna_study.get_trials(deepcopy=False)
        return [self._trial(trial) for trial in frozen if trial.state is not TrialState.WAITING]

    def trial(self, number: int) -> Trial:
        """One trial. Raises KeyError when there is none of this number."""
        return self._trial(self._frozen(number))

    def results(self) -> Results:
        """All that is known of the study."""
        return Results(self.study, tuple(self.trials()), self.environment(), self.folder)

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

    def trial_folder(self, number: int) -> Path:
        """Where a trial keeps its files."""
        return trial_folder(self.folder, number)

    def device_seconds(self, number: int) -> float:
        """The device time of the epochs recorded so far."""
        return sum(row["device_seconds"] for row in read_curves(self.trial_folder(number) / CURVES))

    def environment(self) -> dict[str, Any]:
        """The provenance written so far; empty before the first run."""
        path = self.folder / ENVIRONMENT
        if not path.exists():
            return {}
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise Damaged(f"{path} cannot be read: {error}; {WAY_OUT}") from None

    # -- what happens -------------------------------------------------------------------------------------------------

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Replace the provenance."""
        write_atomic(self.folder / ENVIRONMENT, json.dumps(environment, indent=2, sort_keys=True) + "\n")

    def begin(self, number: int, assessment: Assessment, seed: int) -> None:
        """Note that a trial has been accepted and is about to train."""
        folder = self.trial_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        recipe = io.StringIO()
        YAML(typ="safe", pure=True).dump(dict(assessment.settings), recipe)
        write_atomic(folder / RECIPE, recipe.getvalue())
        self._annotate(number, cost=dict(assessment.cost), seed=seed)

    def record_epoch(self, number: int, epoch: int, metrics: Mapping[str, float], seconds: float) -> None:
        """Record an epoch, once: a repeated one changes nothing."""
        append_curve(self.trial_folder(number) / CURVES, epoch, metrics, seconds)
        if epoch not in self._frozen(number).intermediate_values:
            self._storage.set_trial_intermediate_value(self._trial_id(number), epoch, metrics[self.study.metric.name])

    def reject(self, number: int, assessment: Assessment) -> Trial:
        """Record that the gate refused a configuration, by how much of each limit."""
        trial = optuna.Trial(self.optuna_study, self._trial_id(number))
        for name, violation in assessment.violations.items():
            if name not in trial.constraints:  # set already by a driver that was killed here
                trial.set_constraint(name, violation)
        self._annotate(number, cost=dict(assessment.cost))
        return self.finish(number, Outcome(Status.REJECTED, assessment.reason))

    def abandon(self, number: int, reason: str) -> Trial:
        """Record that a trial was only half sampled; what was enqueued for it is enqueued again."""
        enqueued = self._frozen(number).system_attrs.get("fixed_params")
        trial = self.finish(number, Outcome(Status.ABANDONED, reason))
        if enqueued:
            self.optuna_study.enqueue_trial(enqueued)
        return trial

    def finish(self, number: int, outcome: Outcome, value: float | None = None, seconds: float = 0.0) -> Trial:
        """Tell the storage how a trial ended, and leave its record. A COMPLETE trial needs its `value`."""
        self._annotate(number, status=outcome.status.value, reason=outcome.reason, seconds=seconds)
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
                    f"trial {trial.number} differs between {self.folder / DATABASE} and {path}: one of them was "
                    f"damaged or edited; {WAY_OUT}"
                )

    # -- Optuna -------------------------------------------------------------------------------------------------------

    def _frozen(self, number: int) -> FrozenTrial:
        return self._storage.get_trial(self._trial_id(number))

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)

    def _annotate(self, number: int, **attributes: Any) -> None:
        for name, value in attributes.items():
            self._storage.set_trial_user_attr(self._trial_id(number), name, value)

    def _trial(self, frozen: FrozenTrial) -> Trial:
        attributes = frozen.user_attrs
        return Trial(
            number=frozen.number,
            stage=SEARCH,
            status=_status(frozen),
            parameters=decode(self.study.space, frozen.params),
            value=frozen.value if frozen.state is TrialState.COMPLETE else None,
            curve=dict(sorted(frozen.intermediate_values.items())),
            cost=attributes.get("cost", {}),
            reason=attributes.get("reason", ""),
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


def append_curve(path: Path, epoch: int, metrics: Mapping[str, float], seconds: float) -> None:
    """Add an epoch's row to a `curves.csv` unless it is there; a last line torn by a kill is repaired."""
    rows = read_curves(path)
    if any(row["epoch"] == epoch for row in rows):
        return
    row = {"epoch": epoch, "device_seconds": round(seconds, 4), **metrics}
    columns = list(dict.fromkeys([*(rows[0] if rows else ()), *row]))
    if rows and list(rows[0]) == columns and path.read_bytes().endswith(b"\n"):
        with path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, columns, lineterminator="\n").writerow(row)
            file.flush()
            os.fsync(file.fileno())
        return
    write_atomic(path, _table([*rows, row], columns))


def _table(rows: Iterable[Mapping[str, Any]], columns: list[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _open_storage(path: Path) -> RDBStorage:
    # WAL lasts in the file; synchronous=FULL is SQLite's own default and survives a loss of power.
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.DatabaseError as error:
        raise Damaged(f"{path} cannot be read: {error}; {WAY_OUT}") from None
    url = URL.create("sqlite", database=str(path)).render_as_string()
    return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})


def _status(frozen: FrozenTrial) -> Status:
    if frozen.state in (TrialState.RUNNING, TrialState.WAITING):
        return Status.RUNNING
    return Status(frozen.user_attrs["status"])


def _aware(moment: datetime | None) -> datetime | None:
    """Optuna keeps local time without a zone."""
    return moment.astimezone(UTC) if moment else None
