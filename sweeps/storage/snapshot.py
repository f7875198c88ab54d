"""Read the results of a study quickly, from the records of its trials.

Half a million rows of the database take seconds to read. The sealed record of a finished trial says the same, so only
the state and the value of every trial are read from the database, and compared with the records.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import DATABASE, ENVIRONMENT, RECORD, SEARCH, stage_file, stages_kept, trial_folder
from sweeps.artifacts.record import BadRecord, digest, read_record, read_sealed
from sweeps.io.gc import paused
from sweeps.storage.results import Results, StageResults
from sweeps.study.study import Study
from sweeps.trial.arm import from_plain
from sweeps.trial.trial import Status, Trial


class _Unclear(Exception):
    """Database and records may contradict each other. Only reading all of both shows whether they do, and where."""


def snapshot(folder: Path, study: Study) -> Results | None:
    """Read the results of the study in `folder`, without the parameters and curves of running trials.

    Returns:
        The results; None if database and records must be read and compared in full.
    """
    try:
        with paused(), closing(_connected(folder / DATABASE)) as database, database:
            database.execute("BEGIN")  # a driver may be writing: all tables must be of one moment
            names = dict(database.execute("SELECT study_name, study_id FROM studies ORDER BY study_id"))
            if stages_kept(folder) - set(names):
                raise _Unclear
            trials = {name: _trials(database, folder, name, number) for name, number in names.items()}
            decided = {name: _decided(database, folder, name, number) for name, number in names.items()}
        environment = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))
    except (_Unclear, BadRecord, sqlite3.Error, OSError, ValueError, KeyError, TypeError):
        return None
    stages = {name: _stage(name, trials[name], decided[name]) for name in names if name != SEARCH}
    return Results(study, trials.get(SEARCH, ()), environment, folder, stages)


def _connected(path: Path) -> sqlite3.Connection:
    # Nothing is written, but a read-only connection could not remove the files that SQLite keeps beside an open
    # database in WAL mode.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)


def _trials(database: sqlite3.Connection, folder: Path, stage: str, study_id: int) -> tuple[Trial, ...]:
    """Return the trials of a stage, without those that are only enqueued. Raises _Unclear."""
    rows = database.execute(
        "SELECT trial_id, number, state, value FROM trials LEFT JOIN trial_values USING (trial_id) WHERE study_id = ? "
        "ORDER BY number",
        (study_id,),
    ).fetchall()
    if [number for _, number, _, _ in rows] != list(range(len(rows))) or _folders(folder, stage) > len(rows):
        raise _Unclear
    return tuple(
        _running(database, trial_id, number, stage)
        if state == "RUNNING"
        else _ended(folder, stage, number, state, value)
        for trial_id, number, state, value in rows
        if state != "WAITING"
    )


def _folders(folder: Path, stage: str) -> int:
    """Return one more than the highest number of a trial that has a folder."""
    place = trial_folder(folder, 0, stage).parent
    return 1 + max((int(path.name) for path in place.glob("*") if path.name.isdecimal()), default=-1)


def _ended(folder: Path, stage: str, number: int, state: str, value: float | None) -> Trial:
    """Return a finished trial from its record. Raises _Unclear if state or value differ, BadRecord."""
    trial = read_record(trial_folder(folder, number, stage) / RECORD)
    # Optuna also gives a pruned trial a value, its last intermediate one, which the record does not have.
    expected = trial.value if trial.status is Status.COMPLETE else value
    if (trial.number, trial.stage, trial.status.optuna_state, expected) != (number, stage, state, value):
        raise _Unclear
    return trial


def _running(database: sqlite3.Connection, trial_id: int, number: int, stage: str) -> Trial:
    """Return a running trial with its arm, if it has one."""
    rows = database.execute("SELECT key, value_json FROM trial_user_attributes WHERE trial_id = ?", (trial_id,))
    attributes = {key: json.loads(value) for key, value in rows}
    arm = {key: attributes[key] for key in ("variant", "replicate", "recipe") if key in attributes}
    return Trial(number, stage, Status.RUNNING, {}, **arm)


def _decided(database: sqlite3.Connection, folder: Path, stage: str, study_id: int) -> Mapping[str, Any]:
    """Return the arms and facts of a stage. Raises _Unclear if database and sealed file differ, BadRecord."""
    rows = database.execute("SELECT key, value_json FROM study_user_attributes WHERE study_id = ?", (study_id,))
    attributes = {key: json.loads(value) for key, value in rows}
    decided = {"arms": attributes.get("arms", []), "facts": attributes.get("facts", {})}
    path = stage_file(folder, stage)
    if not path.exists():
        if any(decided.values()):
            raise _Unclear
        return decided
    content = read_sealed(path)
    if digest(decided) not in (content["before"], digest(content["decided"])):
        raise _Unclear
    return decided


def _stage(name: str, trials: tuple[Trial, ...], decided: Mapping[str, Any]) -> StageResults:
    return StageResults(name, tuple(map(from_plain, decided["arms"])), trials, decided["facts"])
