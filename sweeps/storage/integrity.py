"""Compares what the storage says with what the files beside it prove. SQLite has no checksums; these have."""

from __future__ import annotations

import json
from typing import Any

from sweeps.artifacts.layout import RECORD, stage_file, trial_folder
from sweeps.artifacts.record import BadRecord, digest, read_sealed, read_whole
from sweeps.io.errors import UserError
from sweeps.storage.stage_storage import StageStorage
from sweeps.trial.trial import Status, Trial


class Damaged(UserError):
    """The storage and the records beside it contradict each other, or one cannot be read."""


def way_out(name: str) -> str:
    """What a person can do about a damaged study."""
    return (
        f"`sweep repair {name}` builds the storage anew from the records that are intact; or restore the folder from a "
        f"backup, or start anew with --fresh"
    )


def reconcile(ledger: StageStorage, way: str, *, writing: bool) -> None:
    """Compare every finished trial of a stage with its record, and what it decided by with the file that proves it.

    `writing`: the records that a kill left out are written; who only reads, perhaps beside a driver, writes nothing.
    Raises Damaged, which ends with `way`.
    """
    for trial in _unlike(ledger, way, writing):
        path = ledger.trial_folder(trial.number) / RECORD
        why = f"differs between {ledger.folder / 'study.db'} and {path}: one of them was damaged or edited"
        _refuse(ledger, trial.number, why, way)
    for number in _missing(ledger):
        _refuse(ledger, number, f"has a record but is not in {ledger.folder / 'study.db'}", way)
    # What a driver has just changed is looked at once more.
    if not _stage_agrees(ledger, way, writing) and not _stage_agrees(ledger, way, writing):
        where = stage_file(ledger.folder, ledger.stage)
        raise Damaged(f"the arms or facts of {ledger.stage} differ between study.db and {where}; {way}")


def recorded(ledger: StageStorage) -> list[int]:
    """The numbers of the trials that have left a record."""
    files = trial_folder(ledger.folder, 0, ledger.stage).parent.glob(f"*/{RECORD}")
    return sorted(int(file.parent.name) for file in files if file.parent.name.isdecimal())


def _unlike(ledger: StageStorage, way: str, writing: bool) -> list[Trial]:
    """The trials that are not as recorded; what a driver has just changed is looked at once more."""
    unlike = [trial for trial in ledger.trials() if not _compare(ledger, trial, way, writing)]
    if not unlike:
        return []
    ledger.refresh()
    numbers = {trial.number for trial in unlike}
    again = [trial for trial in ledger.trials() if trial.number in numbers]
    return [trial for trial in again if not _compare(ledger, trial, way, writing)]


def _missing(ledger: StageStorage) -> list[int]:
    """The numbers of which there is a record but no trial; two looks, as above."""
    missing = set(recorded(ledger)) - {trial.number for trial in ledger.trials()}
    if not missing:
        return []
    ledger.refresh()
    return sorted(missing - {trial.number for trial in ledger.trials()})


def _compare(ledger: StageStorage, trial: Trial, way: str, writing: bool) -> bool:
    """Whether a trial is what its record says. Raises Damaged where there is no record to rely on."""
    path = ledger.trial_folder(trial.number) / RECORD
    if not path.exists():
        if trial.status is Status.RUNNING:
            return _as_recorded(ledger, trial)
        if writing:
            ledger.leave_record(trial)
        return True
    try:
        return read_whole(path) == trial
    except BadRecord as error:
        raise Damaged(f"{path}: {error}; {way}") from None


def _as_recorded(ledger: StageStorage, trial: Trial) -> bool:
    """Whether the epochs of a trial that has not ended are those of its curve's file, where they are written first."""
    rows = {int(row["epoch"]): row for row in ledger.rows(trial.number)}
    return all(rows.get(epoch, {}).get(ledger.metric, value) == value for epoch, value in trial.curve.items())


def _stage_agrees(ledger: StageStorage, way: str, writing: bool) -> bool:
    path, known = stage_file(ledger.folder, ledger.stage), ledger.decided()
    if not path.exists():
        if writing and any(known.values()):
            ledger.leave_stage(known, known)
        return True
    try:
        content = read_sealed(path)
    except BadRecord as error:
        raise Damaged(f"{path}: {error}; {way}") from None
    # The file is written first: after a kill between the two the storage still has what was there before.
    return digest(_plain(known)) in (content["before"], digest(content["decided"]))


def _refuse(ledger: StageStorage, number: int, why: str, way: str) -> None:
    raise Damaged(f"trial {number} of the {ledger.stage} {why}; {way}")


def _plain(content: Any) -> Any:
    return json.loads(json.dumps(content))
