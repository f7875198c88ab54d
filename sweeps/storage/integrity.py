"""Compare a study's database with the records beside it. SQLite has no checksums; the records have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sweeps.artifacts.curves import EPOCH
from sweeps.artifacts.layout import DATABASE, RECIPE, RECORD, stage_file, trial_folder
from sweeps.artifacts.record import BadRecord, agrees, read_sealed, read_whole
from sweeps.io.errors import UserError
from sweeps.storage.stage_reader import StageReader
from sweeps.storage.stage_storage import StageStorage
from sweeps.trial.trial import Trial


class Damaged(UserError):
    """The database and the records beside it contradict each other, or one of them cannot be read."""


def way_out(name: str) -> str:
    """Return what a user can do about the damaged study `name`, as the end of a message."""
    return (
        f"`sweep repair {name}` rebuilds the storage from the intact records; or restore the folder from a backup, or "
        f"start over with --fresh (fresh=True)"
    )


def compare(reader: StageReader, way: str) -> None:
    """Compare the trials, the arms and the facts of a stage with their records. Nothing is written.

    A driver may be writing at the same time, so everything that differs is read a second time.

    Args:
        reader: The stage.
        way: The end of the message: what to do (`way_out`).

    Raises:
        Damaged: Something differs, or a record is damaged.
    """
    for trial in _differing(reader, way):
        path = _record_of(reader, trial)
        why = f"differs between {reader.folder / DATABASE} and {path}: one of them was damaged or edited"
        raise Damaged(_about_trial(reader, trial.number, why, way))
    for number in _missing(reader):
        why = f"has files but is not in {reader.folder / DATABASE}"
        raise Damaged(_about_trial(reader, number, why, way))
    if not _stage_agrees(reader, way) and not _stage_agrees(reader, way):
        file = stage_file(reader.folder, reader.stage)
        raise Damaged(f"the arms or facts of {reader.stage} differ between study.db and {file}; {way}")


def save_missing(storage: StageStorage) -> None:
    """Write the records that a kill prevented: of trials that have ended, and of the stage's arms and facts.

    Call `compare` before: a record must not be made from a damaged database.
    """
    for trial in storage.trials():
        if trial.ended and not _record_of(storage, trial).exists():
            storage.save_record(trial)
    decided = storage.decided()
    if any(decided.values()) and not stage_file(storage.folder, storage.stage).exists():
        storage.save_stage(decided, decided, storage.decisions())


def _begun(reader: StageReader) -> set[int]:
    """Return the numbers of the stage's trials that have left a record or a recipe. Only this engine writes these."""
    place = trial_folder(reader.folder, 0, reader.stage).parent
    files = (file for name in (RECORD, RECIPE) for file in place.glob(f"*/{name}"))
    return {int(file.parent.name) for file in files if file.parent.name.isdecimal()}


def _differing(reader: StageReader, way: str) -> list[Trial]:
    """Return the trials that differ from their records at two readings."""
    differing = [trial for trial in reader.trials() if not _agrees(reader, trial, way)]
    if not differing:
        return []
    reader.refresh()
    numbers = {trial.number for trial in differing}
    again = [trial for trial in reader.trials() if trial.number in numbers]
    return [trial for trial in again if not _agrees(reader, trial, way)]


def _missing(reader: StageReader) -> list[int]:
    """Return the numbers with files but without a trial in the database, at two readings."""
    missing = _begun(reader) - {trial.number for trial in reader.trials()}
    if not missing:
        return []
    reader.refresh()
    return sorted(missing - {trial.number for trial in reader.trials()})


def _agrees(reader: StageReader, trial: Trial, way: str) -> bool:
    """Whether a trial agrees with its record, or with its curve if there is no record. Raises Damaged."""
    path = _record_of(reader, trial)
    if not path.exists():
        return trial.ended or _curve_agrees(reader, trial)
    try:
        return read_whole(path) == trial
    except BadRecord as error:
        raise Damaged(f"{path}: {error}; {way}") from None


def _curve_agrees(reader: StageReader, trial: Trial) -> bool:
    """Whether the epochs of a running trial are those of its `curves.csv`, which is written before the database."""
    rows = {int(row[EPOCH]): row for row in reader.rows(trial.number)}
    # The database may hold the chance level as an epoch that is not in the file (`record_chance`).
    return all(rows.get(epoch, {}).get(reader.metric, value) == value for epoch, value in trial.curve.items())


def _stage_agrees(reader: StageReader, way: str) -> bool:
    """Whether the arms and facts in the database are those of the stage's file, if there is one. Raises Damaged."""
    path, decided = stage_file(reader.folder, reader.stage), reader.decided()
    if not path.exists():
        return True
    try:
        content = read_sealed(path)
    except BadRecord as error:
        raise Damaged(f"{path}: {error}; {way}") from None
    return agrees(content, _plain(decided), reader.decisions())


def _record_of(reader: StageReader, trial: Trial) -> Path:
    return reader.trial_folder(trial.number) / RECORD


def _about_trial(reader: StageReader, number: int, why: str, way: str) -> str:
    return f"trial {number} of the {reader.stage} {why}; {way}"


def _plain(content: Any) -> Any:
    """Return content as JSON would read it back: tuples as lists, keys as text."""
    return json.loads(json.dumps(content))
