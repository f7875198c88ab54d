"""Read the trials of one stage: Optuna's database says what they are, and the files beside it hold their curves."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweeps.artifacts.curves import SECONDS, read_curves
from sweeps.artifacts.layout import CURVES, RECORD, trial_folder
from sweeps.artifacts.record import BadRecord, read_record
from sweeps.space.encoding import decode
from sweeps.space.space import Space
from sweeps.storage.database.ownership import DECISIONS, ENQUEUED, FINISHED, STARTED
from sweeps.storage.database.rdb import CachedRDBStorage
from sweeps.storage.results import StageResults
from sweeps.study.study import Study
from sweeps.trial.arm import from_plain
from sweeps.trial.trial import Status, Trial

# The fields of a trial that are user attributes of the Optuna trial, under the same name.
ATTRIBUTES = (
    *("status", "variant", "replicate", "recipe", "metrics", "cost", "reason", "source", "key"),
    *("trained", "deaths", "drift", "seed", "seconds", "decisions"),
)


class StageReader:
    """What is known about the trials of one stage. Nothing here writes.

    Attributes:
        folder: The study's folder.
        stage: The stage's name.
        metric: The name of the study's metric.
        optuna_study: The stage's study in Optuna's storage.
    """

    def __init__(self, storage: CachedRDBStorage, folder: Path, study: Study, stage: str, space: Space) -> None:
        """Load a stage that exists.

        Args:
            storage: The study's database.
            folder: The study's folder.
            study: The study.
            stage: The stage's name.
            space: What the trials of the stage search; empty for a stage of replicates.

        Raises:
            KeyError: The database has no such stage.
        """
        self.folder = folder
        self.stage = stage
        self.metric = study.metric.name
        self.optuna_study = optuna.load_study(storage=storage, study_name=stage)
        self._space = space
        self._storage = storage
        self._id = storage.get_study_id_from_name(stage)
        self._converted: dict[int, tuple[FrozenTrial, Trial]] = {}  # by number

    def trials(self) -> list[Trial]:
        """Return the trials in the order of numbers, without those that are only enqueued or of other programs."""
        frozen_trials = self.optuna_study.get_trials(deepcopy=False)
        return [self._trial(frozen) for frozen in frozen_trials if frozen.state is not TrialState.WAITING]

    def refresh(self) -> None:
        """Read the database again at the next call, because another process may have written to it."""
        self._storage.refresh()

    def trial(self, number: int) -> Trial:
        """Return a trial. Raises KeyError if there is none of this number."""
        return self._trial(self._frozen(number))

    def results(self) -> StageResults:
        """Return the stage's arms, trials and facts."""
        content = self.decided()
        arms = tuple(map(from_plain, content["arms"]))
        return StageResults(self.stage, arms, tuple(self.trials()), content["facts"], self.foreign())

    def foreign(self) -> int:
        """Return how many trials other programs have added, except those that only wait."""
        return self._storage.foreign(self._id)

    def unfinished(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the numbers and the stored parameters of the trials whose state is still running."""
        running = self.optuna_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [(frozen.number, dict(frozen.params)) for frozen in running]

    def waiting(self) -> bool:
        """Whether there are trials that this engine has enqueued and the sampler has not taken yet."""
        return any(frozen.user_attrs.get(ENQUEUED) for frozen in self._waiting())

    def anything_waiting(self) -> bool:
        """Whether there are trials that this engine or another program has enqueued."""
        return bool(self._waiting())

    def enqueued_by(self, number: int) -> str | None:
        """Return who has chosen the configuration of a trial that was enqueued; None if it was sampled."""
        frozen = self._frozen(number)
        if "fixed_params" not in frozen.system_attrs:
            return None
        by = frozen.user_attrs.get(ENQUEUED)
        return by if isinstance(by, str) else ENQUEUED  # earlier versions noted True

    def next_number(self) -> int:
        """Return the number of the next trial: how many there are, in any state."""
        return self._storage.count(self._id)

    def noted(self, number: int, name: str) -> Any:
        """Return a user attribute of a trial; None if it is not set."""
        return self._frozen(number).user_attrs.get(name)

    def decided(self) -> dict[str, Any]:
        """Return what the stage has decided, as plain data: its `arms` and its `facts` (see `StageResults`)."""
        attributes = self.optuna_study.user_attrs
        return {"arms": attributes.get("arms", []), "facts": attributes.get("facts", {})}

    def decisions(self) -> int:
        """Return how often the stage has replaced its arms or facts."""
        return int(self.optuna_study.user_attrs.get(DECISIONS, 0))

    def trial_folder(self, number: int) -> Path:
        """Return the folder of a trial's files. It need not exist."""
        return trial_folder(self.folder, number, self.stage)

    def rows(self, number: int) -> list[dict[str, float]]:
        """Return the rows of a trial's `curves.csv` in the order of epochs."""
        return read_curves(self.trial_folder(number) / CURVES)

    def device_seconds(self, number: int) -> float:
        """Return the device time in seconds of a trial's recorded epochs."""
        return sum(row[SECONDS] for row in self.rows(number))

    def _waiting(self) -> list[FrozenTrial]:
        return self.optuna_study.get_trials(deepcopy=False, states=(TrialState.WAITING,))

    def _frozen(self, number: int) -> FrozenTrial:
        return self._storage.get_trial(self._trial_id(number))

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)

    def _trial(self, frozen: FrozenTrial) -> Trial:
        """Convert an Optuna trial, unless the same object has been converted before."""
        source, trial = self._converted.get(frozen.number, (None, None))
        if trial is None or source is not frozen:  # the storage replaces the object of a trial when the trial changes
            trial = self._convert(frozen)
            self._converted[frozen.number] = frozen, trial
        return trial

    def _convert(self, frozen: FrozenTrial) -> Trial:
        attributes = {name: frozen.user_attrs[name] for name in ATTRIBUTES if name in frozen.user_attrs}
        started, finished = self._moments(frozen)
        return Trial(
            number=frozen.number,
            stage=self.stage,
            parameters=decode(self._space, frozen.params),
            # Optuna also gives a pruned trial a value, its last intermediate one.
            value=frozen.value if frozen.state is TrialState.COMPLETE else None,
            curve=dict(sorted(frozen.intermediate_values.items())),
            started=started,
            finished=finished,
            **{**attributes, "status": _status(frozen), "decisions": tuple(attributes.get("decisions", ()))},
        )

    def _moments(self, frozen: FrozenTrial) -> tuple[datetime | None, datetime | None]:
        """Return when a trial started and finished; a moment is None if it is not known.

        Optuna's own columns are never read: they are in the local time of the process that wrote them, without a zone.
        Version 0.1.0 recorded the moments of a trial in its record only.
        """
        started, finished = (_moment(frozen.user_attrs.get(name)) for name in (STARTED, FINISHED))
        if frozen.state.is_finished() and (started is None or finished is None):
            try:
                recorded = read_record(self.trial_folder(frozen.number) / RECORD)
            except BadRecord:
                return started, finished
            return started or recorded.started, finished or recorded.finished
        return started, finished


def _status(frozen: FrozenTrial) -> Status:
    if frozen.state in (TrialState.RUNNING, TrialState.WAITING):
        return Status.RUNNING
    return Status(frozen.user_attrs["status"])


def _moment(stored: str | None) -> datetime | None:
    """Return a moment that is stored as ISO text with its UTC offset."""
    return None if stored is None else datetime.fromisoformat(stored)
