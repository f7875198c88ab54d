"""Optuna's database for one driver: read once, kept in memory, and written in few transactions.

Optuna's own storage queries the database for every running trial again and takes a transaction for each value that it
writes. A study has one driver at a time (`sweeps.io.lock`), so memory is up to date for the trials of this engine. The
tables are Optuna's own: its tools can open them, and the tests compare this class with Optuna's. What such a tool adds
while a driver runs is taken in when the driver adds a trial itself, so that every number is given once.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Connection, Engine, TableClause, insert, update
from sqlalchemy.dialects.sqlite import Insert as Upsert

from sweeps.io.gc import paused
from sweeps.storage.database import ownership, tables


class CachedRDBStorage(BaseStorage):
    """An Optuna storage that keeps the trials of one database in memory.

    A process that only reads sees the trials as they were at the first call, or at the first one after `refresh`.
    """

    def __init__(self, backend: RDBStorage, own_only: bool = False) -> None:
        """Wrap Optuna's storage of the same database, which creates the tables and stores the studies.

        Args:
            backend: Optuna's storage.
            own_only: Whether `get_all_trials` leaves out the trials of other programs (see `ownership`).
        """
        self._backend = backend
        self._own_only = own_only
        self._connection: Connection | None = None
        self._in_transaction = False
        self._studies: dict[int, list[FrozenTrial]] | None = None  # the trials in the order of numbers, by study id
        self._foreign: dict[int, set[int]] = {}  # the numbers of the trials of other programs, by study id
        self._places: dict[int, tuple[int, int]] = {}  # study id and number, by trial id
        self._last = 0  # the highest trial id in memory
        self._directions: dict[int, list[StudyDirection]] = {}

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine of the database."""
        return self._backend.engine

    def close(self) -> None:
        """Close the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._backend.engine.dispose()

    def refresh(self) -> None:
        """Forget the trials; the next call reads them from the database again."""
        self._studies = None

    @contextmanager
    def together(self) -> Iterator[Connection]:
        """Write all changes of the block in one transaction. A nested call joins the outer transaction."""
        if self._connection is None:
            self._connection = self._backend.engine.connect()
        if self._in_transaction:
            yield self._connection
            return
        self._in_transaction = True
        try:
            with self._connection.begin():
                yield self._connection
        except BaseException:
            self.refresh()  # memory may contain changes that were rolled back
            raise
        finally:
            self._in_transaction = False

    # -- studies: few and rarely changed, so Optuna's own storage handles them -----------------------------------------

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Create a study and return its id."""
        return self._backend.create_new_study(directions, study_name)

    def delete_study(self, study_id: int) -> None:
        """Delete a study."""
        self._backend.delete_study(study_id)
        self.refresh()

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a user attribute of a study."""
        self._backend.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a system attribute of a study."""
        self._backend.set_study_system_attr(study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return the id of a study."""
        return self._backend.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """Return the name of a study."""
        return self._backend.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return whether each objective of a study is maximized or minimized."""
        if study_id not in self._directions:
            self._directions[study_id] = self._backend.get_study_directions(study_id)
        return self._directions[study_id]

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the user attributes of a study."""
        return self._backend.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the system attributes of a study."""
        return self._backend.get_study_system_attrs(study_id)

    def get_all_studies(self) -> list[Any]:
        """Return all studies."""
        return self._backend.get_all_studies()

    # -- trials -----------------------------------------------------------------------------------------------------

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study in the order of numbers; all, or those in one of `states`."""
        trials = self._trials(study_id)
        if study_id in self._foreign:
            trials = [trial for trial in trials if trial.number not in self._foreign[study_id]]
        matches = trials if states is None else [trial for trial in trials if trial.state in states]
        return copy.deepcopy(matches) if deepcopy else list(matches)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial. Raises KeyError if there is none with this id."""
        study_id, number = self._place(trial_id)
        return self._trials(study_id)[number]

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """Return the id of a trial. Raises KeyError if there is none with this number."""
        trials = self._trials(study_id)
        if not 0 <= trial_number < len(trials):
            raise KeyError(f"there is no trial {trial_number} in the study {study_id}")
        return int(trials[trial_number]._trial_id)

    def count(self, study_id: int) -> int:
        """Return the number of trials of a study in any state, those of other programs included."""
        return len(self._trials(study_id))

    def foreign(self, study_id: int) -> int:
        """Return the number of trials of a study that `get_all_trials` leaves out."""
        self._trials(study_id)
        return len(self._foreign.get(study_id, ()))

    def is_foreign(self, study_id: int, number: int) -> bool:
        """Whether `get_all_trials` leaves a trial out."""
        return number in self._foreign.get(study_id, ())

    def take_in(self) -> None:
        """Read the trials that other programs have added since."""
        if self._studies is None:
            return  # the next call reads everything
        with self._backend.engine.connect() as connection:
            if connection.exec_driver_sql("SELECT max(trial_id) > ? FROM trials", (self._last,)).scalar():
                connection.exec_driver_sql("BEGIN")  # all tables must be of one moment
                self._read(connection)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Add a trial, running or as the template says, and return its id."""
        return self.create_new_trials(study_id, [template_trial])[0]

    def create_new_trials(self, study_id: int, templates: Sequence[FrozenTrial | None]) -> list[int]:
        """Add trials in one transaction, running or as the templates say, and return their ids."""
        trials, ids = self._trials(study_id), []
        with self.together() as connection:
            for template in templates:
                new = _running() if template is None else copy.deepcopy(template)
                new.number = len(trials)
                row = insert(tables.TRIALS).returning(tables.TRIALS.c.trial_id)
                new._trial_id = connection.execute(row, tables.trial_row(new, study_id)).scalar_one()
                if new._trial_id != self._last + 1:  # another program has added trials, and so taken the number
                    self._read(connection, before=new._trial_id)
                    self._renumber(connection, new, len(trials))
                self._last = new._trial_id
                for of, rows in tables.other_rows(new):
                    connection.execute(insert(of), rows)
                self._places[new._trial_id] = study_id, new.number
                trials.append(new)
                ids.append(new._trial_id)
        return ids

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Set a parameter of a running trial, which does not have it yet."""
        with self._changing(trial_id) as (trial, connection):
            row = tables.parameter_row(trial_id, param_name, param_value_internal, distribution)
            connection.execute(insert(tables.PARAMETERS), row)
            trial.params = {**trial.params, param_name: distribution.to_external_repr(param_value_internal)}
            trial.distributions = {**trial.distributions, param_name: distribution}

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set the state and the value of a trial; False if it should start but is running already."""
        with self._changing(trial_id) as (trial, connection):
            if state is TrialState.RUNNING and trial.state is not TrialState.WAITING:
                return False
            if values is not None:
                _put(connection, tables.VALUES, tables.value_row(trial_id, values[0]), "objective")
                trial.value = values[0]
            change = update(tables.TRIALS).where(tables.TRIALS.c.trial_id == trial_id)
            if state is TrialState.RUNNING:
                change = change.where(tables.TRIALS.c.state == TrialState.WAITING.name)
                trial.datetime_start = datetime.now()
            if state.is_finished():
                trial.datetime_complete = datetime.now()
            trial.state = state
            moments = {"datetime_start": trial.datetime_start, "datetime_complete": trial.datetime_complete}
            if connection.execute(change.values(state=state.name, **moments)).rowcount:
                return True
            study_id, number = self._place(trial_id)  # another program has taken the waiting trial
            self._foreign.setdefault(study_id, set()).add(number)
            return False

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Set an intermediate value of a running trial; `step` is the epoch."""
        with self._changing(trial_id) as (trial, connection):
            row = tables.step_row(trial_id, step, intermediate_value)
            _put(connection, tables.STEPS, row, "step")
            trial.intermediate_values = {**trial.intermediate_values, step: float(intermediate_value)}

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a user attribute of a running trial."""
        with self._changing(trial_id) as (trial, connection):
            row = tables.note_row(trial_id, key, value)
            _put(connection, tables.USER, row, "key")
            trial.user_attrs = {**trial.user_attrs, key: json.loads(row["value_json"])}

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a system attribute of a running trial."""
        with self._changing(trial_id) as (trial, connection):
            row = tables.note_row(trial_id, key, value)
            _put(connection, tables.SYSTEM, row, "key")
            trial.system_attrs = {**trial.system_attrs, key: json.loads(row["value_json"])}

    # -- memory -----------------------------------------------------------------------------------------------------

    def _trials(self, study_id: int) -> list[FrozenTrial]:
        """Return the list of a study's trials in memory, read from the database if necessary."""
        if self._studies is None:
            self._studies, self._foreign, self._places, self._last = {}, {}, {}, 0
            try:
                with paused(), self._backend.engine.connect() as connection:
                    connection.exec_driver_sql("BEGIN")  # a driver may be writing: all tables must be of one moment
                    self._read(connection)
            except BaseException:
                self.refresh()
                raise
        return self._studies.setdefault(study_id, [])

    def _read(self, connection: Connection, before: int = tables.LAST_ID) -> None:
        """Read the trials with ids after those in memory, up to `before`. Raises as `tables.read_trials`."""
        assert self._studies is not None
        marking = ownership.marking_studies(connection)
        for study_id, new in tables.read_trials(connection, self._last, before).items():
            trials = self._studies.setdefault(study_id, [])
            for trial in new:
                if trial.number != len(trials):
                    raise ValueError(f"the trials of study {study_id} are not numbered from 0 without gaps")
                self._keep(study_id, trial, study_id in marking)
        self._last = max(self._places, default=0)

    def _keep(self, study_id: int, trial: FrozenTrial, marking: bool) -> None:
        """Keep a trial of the database in memory, under the next number of its study."""
        if self._own_only and ownership.is_foreign(trial, marking):
            self._foreign.setdefault(study_id, set()).add(trial.number)
        elif self._own_only:
            trial = _as_left(trial)
        self._places[trial._trial_id] = study_id, trial.number
        self._trials(study_id).append(trial)

    def _renumber(self, connection: Connection, trial: FrozenTrial, number: int) -> None:
        trial.number = number
        this_trial = tables.TRIALS.c.trial_id == trial._trial_id
        connection.execute(update(tables.TRIALS).where(this_trial).values(number=number))

    def _place(self, trial_id: int) -> tuple[int, int]:
        """Return the study id and the number of a trial. Raises KeyError."""
        if trial_id not in self._places and self._studies is None:
            self._trials(0)  # reads all studies
        return self._places[trial_id]

    @contextmanager
    def _changing(self, trial_id: int) -> Iterator[tuple[FrozenTrial, Connection]]:
        """Yield a copy of a trial to change, and the connection for writing the change.

        The copy replaces the trial in memory. Callers that hold the old object, such as the sampler, keep it unchanged.
        """
        trial = self.get_trial(trial_id)
        self.check_trial_is_updatable(trial_id, trial.state)
        changed = copy.copy(trial)
        study_id, number = self._place(trial_id)
        with self.together() as connection:
            yield changed, connection
            self._trials(study_id)[number] = changed


def _as_left(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial of this engine as the engine has left it: still running if another program has ended it."""
    if trial.state.is_finished() and ownership.STATUS not in trial.user_attrs:
        trial.state, trial.value = TrialState.RUNNING, None
    return trial


def _running() -> FrozenTrial:
    trial = create_trial(state=TrialState.RUNNING)
    trial.datetime_start = datetime.now()
    return trial


def _put(connection: Connection, of: TableClause, row: Mapping[str, Any], key: str) -> None:
    """Insert a row of a trial, or replace the row with the same trial and the same `key`, whoever has written it."""
    connection.execute(_upsert(of, key), row)


@cache
def _upsert(of: TableClause, key: str) -> Upsert:
    statement = Upsert(of)
    others = [column.name for column in of.columns if column.name not in ("trial_id", key)]
    return statement.on_conflict_do_update(("trial_id", key), set_={name: statement.excluded[name] for name in others})
