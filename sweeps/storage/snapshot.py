"""How a study stands, from the records that its trials have left: in a moment, however many there are.

Half a million rows of the database take seconds to read. A finished trial's record says all that they do and proves
itself by its hash, so of the database only the state and the value of every trial are asked for, and compared.
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

_OPEN = {"RUNNING", "WAITING"}


class _Unclear(Exception):
    """Database and records do not plainly agree: whoever reads all of both will tell why."""


def glance(folder: Path, study: Study) -> Results | None:
    """The results of the study in `folder`; None where they have to be read and compared in full.

    Trials that still run have no parameters and no curve here.
    """
    try:
        with paused(), closing(_connected(folder / DATABASE)) as database, database:
            database.execute("BEGIN")  # one moment for all tables: a driver may be writing
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
    # Nothing is written; but who may not write cannot tidy up what SQLite lays beside the database while it is open.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)


def _trials(database: sqlite3.Connection, folder: Path, stage: str, study_id: int) -> tuple[Trial, ...]:
    rows = database.execute(
        "SELECT trial_id, number, state, value FROM trials LEFT JOIN trial_values USING (trial_id) WHERE study_id = ? "
        "ORDER BY number",
        (study_id,),
    ).fetchall()
    if [number for _, number, _, _ in rows] != list(range(len(rows))) or _recorded(folder, stage) > len(rows):
        raise _Unclear
    return tuple(
        _running(database, trial_id, number, stage) if state in _OPEN else _ended(folder, stage, number, state, value)
        for trial_id, number, state, value in rows
        if state != "WAITING"
    )


def _recorded(folder: Path, stage: str) -> int:
    """One more than the highest number of a trial that has left files."""
    place = trial_folder(folder, 0, stage).parent
    return 1 + max((int(path.name) for path in place.glob("*") if path.name.isdecimal()), default=-1)


def _ended(folder: Path, stage: str, number: int, state: str, value: float | None) -> Trial:
    trial = read_record(trial_folder(folder, number, stage) / RECORD)
    counts = trial.value if trial.status is Status.COMPLETE else value
    if (trial.number, trial.stage, trial.status.optuna_state, counts) != (number, stage, state, value):
        raise _Unclear
    return trial


def _running(database: sqlite3.Connection, trial_id: int, number: int, stage: str) -> Trial:
    noted = database.execute("SELECT key, value_json FROM trial_user_attributes WHERE trial_id = ?", (trial_id,))
    known = {key: json.loads(value) for key, value in noted}
    of_arm = {key: known[key] for key in ("variant", "replicate", "recipe") if key in known}
    return Trial(number, stage, Status.RUNNING, {}, **of_arm)


def _decided(database: sqlite3.Connection, folder: Path, stage: str, study_id: int) -> Mapping[str, Any]:
    """The arms and the facts of a stage, as the database and the file that proves them have them."""
    noted = database.execute("SELECT key, value_json FROM study_user_attributes WHERE study_id = ?", (study_id,))
    attributes = {key: json.loads(value) for key, value in noted}
    known = {"arms": attributes.get("arms", []), "facts": attributes.get("facts", {})}
    path = stage_file(folder, stage)
    if not path.exists():
        if any(known.values()):
            raise _Unclear
        return known
    content = read_sealed(path)
    if digest(known) not in (content["before"], digest(content["decided"])):
        raise _Unclear
    return known


def _stage(name: str, trials: tuple[Trial, ...], decided: Mapping[str, Any]) -> StageResults:
    return StageResults(name, tuple(map(from_plain, decided["arms"])), trials, decided["facts"])
