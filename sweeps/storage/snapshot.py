"""Read the results of a study quickly, from the records of its trials.

Half a million rows of the database take seconds to read. The sealed record of a finished trial says the same, so only
the state and the value of every trial are read from the database, and compared with the records.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import (
    DATABASE,
    ENVIRONMENT,
    RECORD,
    SEARCH,
    is_stage,
    stage_file,
    stages_kept,
    trial_folder,
)
from sweeps.artifacts.record import BadRecord, agrees, read_record, read_sealed
from sweeps.io.gc import paused
from sweeps.storage.database.ownership import DECISIONS, MARKS, is_foreign_row
from sweeps.storage.database.sqlite import connect_for_reading
from sweeps.storage.results import Results, StageResults
from sweeps.study.study import Study
from sweeps.trial.arm import from_plain
from sweeps.trial.trial import Status, Trial


class _Unclear(Exception):
    """Database and records may contradict each other. Only reading all of both shows whether they do, and where."""


def snapshot(folder: Path, study: Study) -> Results | None:
    """Read the results of the study in `folder`, without the parameters of running trials.

    Of running trials only those have a curve whose decisions are on record, which may be paused.

    Returns:
        The results; None if database and records must be read and compared in full.
    """
    try:
        with paused(), closing(connect_for_reading(folder / DATABASE)) as database:
            database.execute("BEGIN")  # a driver may be writing: all tables must be of one moment
            rows = database.execute("SELECT study_name, study_id FROM studies ORDER BY study_id")
            names = {name: number for name, number in rows if is_stage(name)}
            if stages_kept(folder) - set(names):
                raise _Unclear
            found = {name: _trials(database, folder, name, number) for name, number in names.items()}
            decided = {name: _decided(database, folder, name, number) for name, number in names.items()}
        environment = dict(json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8")))
    except (_Unclear, BadRecord, sqlite3.Error, OSError, ValueError, KeyError, TypeError):
        return None
    stages = {name: _stage(name, *found[name], decided[name]) for name in names if name != SEARCH}
    trials, foreign = found.get(SEARCH, ((), 0))
    facts = decided[SEARCH]["facts"] if SEARCH in decided else {}
    return Results(study, trials, environment, folder, stages, foreign, facts)


def _trials(database: sqlite3.Connection, folder: Path, stage: str, study_id: int) -> tuple[tuple[Trial, ...], int]:
    """Return the trials of a stage, without those that are only enqueued, and how many are of other programs.

    Raises _Unclear.
    """
    rows = database.execute(
        "SELECT trial_id, number, state, value FROM trials LEFT JOIN trial_values USING (trial_id) WHERE study_id = ? "
        "ORDER BY number",
        (study_id,),
    ).fetchall()
    if [number for _, number, _, _ in rows] != list(range(len(rows))) or _folders(folder, stage) > len(rows):
        raise _Unclear
    begun = [row for row in rows if row[2] != "WAITING"]
    trials = [_trial(database, folder, stage, study_id, row) for row in begun]
    own = tuple(trial for trial in trials if trial is not None)
    return own, len(begun) - len(own)


def _trial(
    database: sqlite3.Connection, folder: Path, stage: str, study_id: int, row: tuple[int, int, str, float | None]
) -> Trial | None:
    """Return a trial; None if another program has added it. Raises _Unclear, BadRecord."""
    trial_id, number, state, value = row
    place = trial_folder(folder, number, stage)
    if state != "RUNNING" and (place / RECORD).exists():
        return _ended(place / RECORD, stage, number, state, value)
    rows = database.execute("SELECT key, value_json FROM trial_user_attributes WHERE trial_id = ?", (trial_id,))
    attributes = {key: json.loads(value) for key, value in rows}
    if is_foreign_row(state, attributes, _marking(database, study_id)) and not place.exists():
        return None
    if state != "RUNNING":  # a driver was killed before it wrote the record, or the record is gone
        raise _Unclear
    return _running(database, trial_id, attributes, number, stage)


def _marking(database: sqlite3.Connection, study_id: int) -> bool:
    """Whether a stage is one of `ownership.marking_studies`."""
    rows = database.execute("SELECT 1 FROM study_user_attributes WHERE study_id = ? AND key = ?", (study_id, MARKS))
    return rows.fetchone() is not None


def _folders(folder: Path, stage: str) -> int:
    """Return one more than the highest number of a trial that has a folder."""
    place = trial_folder(folder, 0, stage).parent
    return 1 + max((int(path.name) for path in place.glob("*") if path.name.isdecimal()), default=-1)


def _ended(record: Path, stage: str, number: int, state: str, value: float | None) -> Trial:
    """Return a finished trial from its record. Raises _Unclear if state or value differ, BadRecord."""
    trial = read_record(record)
    # Optuna also gives a pruned trial a value, its last intermediate one, which the record does not have.
    expected = trial.value if trial.status is Status.COMPLETE else value
    if (trial.number, trial.stage, trial.status.optuna_state, expected) != (number, stage, state, value):
        raise _Unclear
    return trial


def _running(
    database: sqlite3.Connection, trial_id: int, attributes: Mapping[str, Any], number: int, stage: str
) -> Trial:
    """Return a running trial with its arm, if it has one, or with its decisions and curve, if it has any."""
    arm = {key: attributes[key] for key in ("variant", "replicate", "recipe") if key in attributes}
    decisions = tuple(attributes.get("decisions", ()))
    curve = _curve(database, trial_id) if decisions else {}
    return Trial(number, stage, Status.RUNNING, {}, curve=curve, decisions=decisions, **arm)


def _curve(database: sqlite3.Connection, trial_id: int) -> dict[int, float]:
    rows = database.execute(
        "SELECT step, intermediate_value FROM trial_intermediate_values WHERE trial_id = ? ORDER BY step", (trial_id,)
    )
    return {epoch: math.nan if value is None else value for epoch, value in rows}


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
    if not agrees(content, decided, attributes.get(DECISIONS, 0)):
        raise _Unclear
    return decided


def _stage(name: str, trials: tuple[Trial, ...], foreign: int, decided: Mapping[str, Any]) -> StageResults:
    return StageResults(name, tuple(map(from_plain, decided["arms"])), trials, decided["facts"], foreign)
