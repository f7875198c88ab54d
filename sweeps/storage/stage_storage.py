"""Write the trials of one stage: to Optuna's database, and to the files of each trial."""

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
from sweeps.artifacts.curves import EPOCH, SECONDS, CurveFile
from sweeps.artifacts.layout import CHECKPOINT, CURVES, PAUSED, RECIPE, RECORD, append_log, stage_file
from sweeps.artifacts.record import digest, write_record, write_sealed
from sweeps.artifacts.record import plain as plain_trial
from sweeps.io.files import write_atomic
from sweeps.space.distributions import distribution
from sweeps.space.encoding import encode
from sweeps.space.space import Space
from sweeps.storage.database.ownership import DECISIONS, ENQUEUED, FINISHED, MARKS, STARTED
from sweeps.storage.database.rdb import CachedRDBStorage
from sweeps.storage.results import DECLARED
from sweeps.storage.stage_reader import ATTRIBUTES, StageReader
from sweeps.study.study import Study
from sweeps.trial.arm import Arm, plain
from sweeps.trial.feasibility import Feasibility
from sweeps.trial.trial import Outcome, Status, Trial


class StageStorage(StageReader):
    """The trials of one stage, for the one driver that changes them."""

    def __init__(self, storage: CachedRDBStorage, folder: Path, study: Study, stage: str, space: Space) -> None:
        """Open a stage, or begin it if it does not exist. Arguments as in `StageReader`."""
        optuna.create_study(storage=storage, study_name=stage, direction=study.metric.goal, load_if_exists=True)
        super().__init__(storage, folder, study, stage, space)
        self._curve_files: dict[int, CurveFile] = {}  # of the trials that are being trained
        if not self.next_number():
            self.mark()

    def mark(self) -> None:
        """Mark every trial of this engine that has not ended, and note in the database that from now on each one is.

        Version 0.1.0 marked none. A running trial without the mark is from then on one of another program.
        """
        if self.optuna_study.user_attrs.get(MARKS):
            return
        for number, _ in self.unfinished():
            if self.noted(number, STARTED) is None:
                self.annotate(number, **{STARTED: _now()})
        self.optuna_study.set_user_attr(MARKS, True)

    def rows(self, number: int) -> list[dict[str, float]]:
        """Return the rows of a trial's `curves.csv`, from memory if this process writes the file."""
        curve_file = self._curve_files.get(number)
        return super().rows(number) if curve_file is None else curve_file.rows()

    def last_epoch(self, number: int) -> int:
        """Return the latest recorded epoch of a trial; 0 before the first."""
        return self._curve_file(number).last_epoch()

    # -- decisions of the stage ---------------------------------------------------------------------------------------

    def set_arms(self, arms: list[Arm]) -> None:
        """Replace the stage's arms."""
        self.decide(arms=[plain(arm) for arm in arms])

    def set_facts(self, facts: Mapping[str, Any]) -> None:
        """Replace the stage's facts (see `StageResults`). What it has declared stays, unless it is among them."""
        before = self.decided()["facts"]
        declared = {DECLARED: before[DECLARED]} if DECLARED in before else {}
        self.decide(facts={**declared, **facts})

    def decide(self, **decided: Any) -> None:
        """Replace the plain `arms` or `facts`, first in the stage's sealed file, then in the database."""
        before, decisions = self.decided(), self.decisions() + 1
        self.save_stage(before, {**before, **decided}, decisions)
        for name, content in {**decided, DECISIONS: decisions}.items():
            self.optuna_study.set_user_attr(name, content)

    # -- the life of a trial ------------------------------------------------------------------------------------------

    def ask(self) -> optuna.Trial:
        """Start a trial, an enqueued one first. Its parameters are yet to be suggested (Optuna's ask-and-tell)."""
        enqueued = [frozen for frozen in self._waiting() if frozen.user_attrs.get(ENQUEUED)]
        with self._storage.together():
            trial = self.optuna_study.ask()
            self.annotate(trial.number, **{STARTED: _now()})
            for frozen in enqueued:
                if self._storage.is_foreign(self._id, frozen.number):  # another program has just taken it
                    self.enqueue(frozen.system_attrs["fixed_params"], frozen.user_attrs[ENQUEUED])
        return trial

    def enqueue(self, params: Mapping[str, Any], by: str = ENQUEUED) -> None:
        """Have the next trial start with `params`, as Optuna stores them; `by` says who has chosen them."""
        self.optuna_study.enqueue_trial(dict(params), user_attrs={ENQUEUED: by})

    def enqueued_elsewhere(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the numbers and the parameters of the waiting trials that another program has enqueued."""
        self._storage.take_in()
        waiting = [frozen for frozen in self._waiting() if not frozen.user_attrs.get(ENQUEUED)]
        return [(frozen.number, dict(frozen.system_attrs.get("fixed_params", {}))) for frozen in waiting]

    def refuse(self, number: int, reason: str) -> Trial | None:
        """End a waiting trial that may not start; None if another program has started it in the meantime."""
        with self._storage.together():
            if not self._storage.set_trial_state_values(self._trial_id(number), TrialState.RUNNING):
                return None
            self.annotate(number, **{STARTED: _now()})
        return self.finish(number, Outcome(Status.ABANDONED, reason))

    def add_replicate(self, arm: Arm, replicate: int) -> int:
        """Add a running trial of an arm and return its number.

        Args:
            arm: The arm.
            replicate: The index of the trial's seed, from 0.
        """
        attributes = {"variant": arm.name, "replicate": replicate, "recipe": arm.recipe, STARTED: _now()}
        template = create_trial(state=TrialState.RUNNING, user_attrs=attributes)
        return self._storage.get_trial_number_from_id(self._storage.create_new_trial(self._id, template))

    def begin(
        self,
        number: int,
        settings: Mapping[str, Any],
        cost: Mapping[str, int],
        seed: int,
        key: str,
        **attributes: Any,
    ) -> None:
        """Write the recipe of a trial that is about to train.

        Args:
            number: The trial's number.
            settings: Its resolved recipe.
            cost: The workload's counts.
            seed: The seed of its training.
            key: Its key in the result cache.
            **attributes: Further user attributes, recorded in the same transaction.
        """
        folder = self.trial_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        recipe = io.StringIO()
        YAML(typ="safe", pure=True).dump(dict(settings), recipe)
        write_atomic(folder / RECIPE, recipe.getvalue())
        self.annotate(number, cost=dict(cost), seed=seed, key=key, **attributes)

    def record_epoch(self, number: int, epoch: int, metrics: Mapping[str, float], seconds: float) -> None:
        """Record an epoch of a trial. An epoch that has been recorded already is skipped.

        Args:
            number: The trial's number.
            epoch: Counted from 1.
            metrics: All metrics, for `curves.csv`. The database stores the study's metric only.
            seconds: The device time of the epoch in seconds.
        """
        curve_file = self._curve_file(number)
        # The file first: after a kill between the two the epoch is repeated, which writes the database's part.
        curve_file.append(epoch, metrics, seconds)
        value = metrics.get(self.metric)
        if value is not None and epoch not in self._frozen(number).intermediate_values:
            self._storage.set_trial_intermediate_value(self._trial_id(number), epoch, value)

    def record_chance(self, number: int, value: float) -> None:
        """Record the chance level as one more epoch of a trial that diverged in its evaluation."""
        epoch = 1 + max((int(row[EPOCH]) for row in self.rows(number)), default=0)
        self._storage.set_trial_intermediate_value(self._trial_id(number), epoch, value)

    def reject(self, number: int, feasibility: Feasibility) -> Trial:
        """End a trial whose configuration may not be trained, and record its violations for the sampler."""
        trial = optuna.Trial(self.optuna_study, self._trial_id(number))
        for name, violation in feasibility.violations.items():
            if name not in trial.constraints:  # a driver that was killed here has set it already
                trial.set_constraint(name, violation)
        self.annotate(number, cost=dict(feasibility.cost))
        return self.finish(number, Outcome(Status.REJECTED, feasibility.reason))

    def abandon(self, number: int, reason: str, *, again: bool = False) -> Trial:
        """Give up a trial. If its parameters were enqueued, they are enqueued again.

        Args:
            number: The trial's number.
            reason: Why it is given up.
            again: Whether sampled parameters are enqueued too.
        """
        frozen = self._frozen(number)
        enqueued = frozen.system_attrs.get("fixed_params") or (frozen.params if again else None)
        trial = self.finish(number, Outcome(Status.ABANDONED, reason), seconds=round(self.device_seconds(number), 4))
        if enqueued:
            self.enqueue(enqueued, self.enqueued_by(number) or ENQUEUED)
        return trial

    def annotate(self, number: int, **attributes: Any) -> None:
        """Set user attributes of a trial that has not ended."""
        with self._storage.together():
            for name, value in attributes.items():
                self._storage.set_trial_user_attr(self._trial_id(number), name, value)

    def finish(
        self, number: int, outcome: Outcome, value: float | None = None, seconds: float = 0.0, *, keep: bool = False
    ) -> Trial:
        """End a trial: update the database, write its record, and delete the checkpoints that nobody needs.

        Args:
            number: The trial's number.
            outcome: Its status and reason.
            value: The study's metric; needed if the status is COMPLETE, ignored otherwise.
            seconds: The device time of the whole trial in seconds.
            keep: Whether the newest checkpoint is kept although the trial did not complete.
        """
        values = value if outcome.status is Status.COMPLETE else None
        # The clock may have been set back since: no trial ends before it starts.
        ended = {FINISHED: max(_now(), self.noted(number, STARTED) or "")}
        with self._storage.together():
            self.annotate(number, status=outcome.status.value, reason=outcome.reason, seconds=seconds, **ended)
            self.optuna_study.tell(number, values, state=TrialState[outcome.status.optuna_state], skip_if_finished=True)
        if outcome.details:
            self._log(number, outcome.details)
        trial = self.trial(number)
        self.save_record(trial)
        (self.trial_folder(number) / PAUSED).unlink(missing_ok=True)
        self._curve_files.pop(number, None)
        checkpoints = self.trial_folder(number) / CHECKPOINT
        if keep or outcome.status is Status.COMPLETE:
            CheckpointFolder(checkpoints).keep_newest()
        else:
            CheckpointFolder(checkpoints).delete()
        return trial

    def pause(self, number: int) -> None:
        """Keep what a trial goes on from: its newest checkpoint, and in a file what the database knows of it."""
        folder = self.trial_folder(number)
        write_sealed(folder / PAUSED, plain_trial(self.trial(number)))
        CheckpointFolder(folder / CHECKPOINT).keep_newest()

    def delete_checkpoints(self, number: int) -> None:
        """Delete the checkpoints of a trial that will not go on."""
        CheckpointFolder(self.trial_folder(number) / CHECKPOINT).delete()

    def take_over(self, number: int, source: int) -> None:
        """Give a running trial the training of a failed one: its epochs, at no device time, and its checkpoint.

        The epochs of the failed trial stay, its checkpoint moves. After a kill a second call does the rest.
        """
        folder, before = self.trial_folder(number), self.trial_folder(source) / CHECKPOINT
        folder.mkdir(parents=True, exist_ok=True)
        for row in self.rows(source):
            metrics = {name: value for name, value in row.items() if name not in (EPOCH, SECONDS)}
            self.record_epoch(number, int(row[EPOCH]), metrics, 0.0)
        if before.exists():
            shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)
            before.rename(folder / CHECKPOINT)

    def together(self) -> AbstractContextManager[object]:
        """Return a context manager that writes all changes of its block in one transaction."""
        return self._storage.together()

    # -- records ------------------------------------------------------------------------------------------------------

    def save_record(self, trial: Trial) -> None:
        """Write the record of a trial that has ended."""
        folder = self.trial_folder(trial.number)
        folder.mkdir(parents=True, exist_ok=True)
        write_record(folder / RECORD, trial)

    def save_stage(self, before: Mapping[str, Any], decided: Mapping[str, Any], decisions: int) -> None:
        """Write the stage's sealed file.

        Args:
            before: The arms and facts in the database. The file has their digest, so that a kill before the database
                has been updated is not taken for damage.
            decided: The arms and facts that replace them.
            decisions: How many decisions of the stage the file includes.
        """
        file = stage_file(self.folder, self.stage)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(file, {"decided": dict(decided), "before": digest(before), "decisions": decisions})

    def restore(self, trials: Iterable[tuple[Trial, Mapping[str, float]]]) -> None:
        """Add finished trials, and paused ones, to the database under the next numbers.

        Args:
            trials: Each trial, as its record has it, and its constraint violations.
        """
        self._storage.create_new_trials(self._id, [self._frozen_of(*item) for item in trials])

    def _frozen_of(self, trial: Trial, violations: Mapping[str, float]) -> FrozenTrial:
        """Convert a finished or paused trial to an Optuna trial."""
        attributes = {name: getattr(trial, name) for name in ATTRIBUTES}
        moments = {STARTED: trial.started, FINISHED: trial.finished}
        attributes |= {name: moment and moment.isoformat() for name, moment in moments.items()}
        distributions = {dimension.key: distribution(dimension) for dimension in self._space.dimensions}
        frozen = create_trial(
            state=TrialState[trial.status.optuna_state],
            value=trial.value if trial.status is Status.COMPLETE else None,
            params=encode(self._space, trial.parameters),
            distributions={key: distributions[key] for key in trial.parameters},
            user_attrs={name: content for name, content in attributes.items() if content is not None},
            intermediate_values=dict(trial.curve),
            constraints=dict(violations) or None,
        )
        # Only Optuna's own tools read these.
        frozen.datetime_start = _local(trial.started)
        frozen.datetime_complete = _local(trial.finished) if trial.ended else None
        return frozen

    def _curve_file(self, number: int) -> CurveFile:
        return self._curve_files.setdefault(number, CurveFile(self.trial_folder(number) / CURVES))

    def _log(self, number: int, text: str) -> None:
        append_log(self.trial_folder(number), text)


def _now() -> str:
    """Return this moment in UTC as ISO text. All texts have the same length, so they sort as the moments do."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _local(moment: datetime | None) -> datetime:
    """Return a moment as Optuna stores it: in local time, without a time zone. Now if it is not known."""
    return (moment or datetime.now(UTC)).astimezone().replace(tzinfo=None)
