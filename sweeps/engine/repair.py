"""Rebuild the storage of a damaged study from the records of its trials.

A record contains a hash of itself and of the files beside it, so an intact one is proof of its trial.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sweeps.artifacts.curves import EPOCH, read_curves
from sweeps.artifacts.layout import (
    ABLATION,
    CONFIRM,
    CURVES,
    DATABASE,
    ENVIRONMENT,
    FINAL,
    INCUMBENT_RUNS,
    PAUSED,
    RACE,
    RECORD,
    REPEATS,
    RETUNE,
    SEARCH,
    stage_file,
    stages_kept,
    trial_folder,
)
from sweeps.artifacts.record import BadRecord, read_record, read_sealed, read_whole
from sweeps.formatting import count
from sweeps.io.errors import UserError
from sweeps.io.files import write_atomic
from sweeps.io.lock import driver_lock
from sweeps.prepare.prepared import prepared_baseline
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.storage.integrity import Damaged
from sweeps.storage.openings import Openings
from sweeps.storage.runs import NotFound, study_document, study_folder
from sweeps.storage.stage_storage import StageStorage
from sweeps.storage.study_reader import StudyReader
from sweeps.storage.study_storage import StudyStorage
from sweeps.study.study import Study, parse
from sweeps.trial.trial import Status, Trial
from sweeps.workload import load

ASIDE = ".damaged-{}"  # the suffix of a damaged file that is kept
# The order in which stages begin.
ORDER = (CONFIRM, INCUMBENT_RUNS, RACE, RETUNE.removesuffix("-"), ABLATION, FINAL, REPEATS)


@dataclass
class Repair:
    """What a repair did.

    Attributes:
        restored: The number of restored trials by stage.
        lost: What could not be restored, a line each.
        kept: The damaged files, under their new names.
    """

    restored: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)


def repair(runs: Path, name: str) -> Repair | None:
    """Rebuild the storage of a study.

    Damaged files are kept under another name. Paused trials wait as before. Others without an intact record are marked
    as abandoned, and the next run makes them again.

    Args:
        runs: The runs folder.
        name: The study.

    Returns:
        What was done; None if nothing is damaged.

    Raises:
        NotFound: There is no such study.
        Damaged: The study file cannot be read, without which the records cannot be interpreted.
    """
    folder = study_folder(runs, name)
    study = _study(runs, name)
    with driver_lock(folder):
        if _intact(folder, study):
            return None
        done = Repair()
        database = (folder / DATABASE).resolve()  # a link stays, and the file to which it leads is replaced
        number = next(n for n in range(1, 10_000) if not _aside(database, n).exists())
        _check_environment(folder, number, done)
        # Everything is read before the database is put aside, so that an error up to here changes nothing in it.
        metric = study.metric.name
        records = {stage: list(_read_records(folder, stage, metric, number, done)) for stage in _stages(folder)}
        decisions = {stage: _read_decisions(folder, stage, number, done) for stage in records}
        for suffix in ("", "-wal", "-shm", "-journal"):  # SQLite could apply a journal left behind to the new one
            _put_aside(database.with_name(f"{database.name}{suffix}"), number, done)
        _rebuild(folder, study, records, decisions, done)
        return done


def in_words(repaired: Repair) -> str:
    """Return what a repair did, as lines for the user."""
    restored = ", ".join(f"{count(n, 'trial')} of {stage}" for stage, n in repaired.restored.items()) or "no trial"
    lines = [f"Rebuilt from the records: {restored}."]
    lines += [f"Could not be restored: {line}." for line in repaired.lost] or ["Nothing was lost."]
    return "\n".join([*lines, *(f"Damaged file kept as: {path}" for path in repaired.kept)])


def _study(runs: Path, name: str) -> Study:
    try:
        return parse(study_document(runs, name))
    except NotFound:
        raise
    except UserError as error:
        raise Damaged(
            f"{error}\nEverything else of {name} is read with its study file, which is damaged: put the one that "
            f"the study was run with back as {study_folder(runs, name) / 'study.yaml'}"
        ) from None


def _intact(folder: Path, study: Study) -> bool:
    """Whether the storage, the records and the environment can be read and agree."""
    try:
        with closing(StudyReader(folder, study)) as reader:
            reader.environment()
            reader.reconcile()
    except Damaged:
        return False
    return True


def _stages(folder: Path) -> list[str]:
    """The stages that have left files, in the order in which they began."""
    later = [name for name in stages_kept(folder) if name.partition("-")[0] in ORDER]
    return [SEARCH, *sorted(later, key=lambda name: (ORDER.index(name.partition("-")[0]), name))]


def _read_records(folder: Path, stage: str, metric: str, number: int, done: Repair) -> Iterator[Trial | str]:
    """Yield, by number, each trial as its record has it, or the reason why it cannot be restored."""
    for path in _record_files(folder, stage):
        if not path.parent.exists():
            yield "it left no files: it had not begun, or another program had added it"
            continue
        if not path.exists():
            yield _paused(path.with_name(PAUSED), metric) or "it had not ended, or its record is gone"
            continue
        try:
            yield read_whole(path)
        except BadRecord as error:
            _put_aside(path, number, done)
            yield str(error)


def _paused(path: Path, metric: str) -> Trial | None:
    """A trial as it was when it last paused, with the epochs that it has trained since; None if that is not known."""
    try:
        trial = read_record(path)
    except BadRecord:
        return None
    rows = read_curves(path.with_name(CURVES))
    return replace(trial, curve={int(row[EPOCH]): row[metric] for row in rows if metric in row})


def _record_files(folder: Path, stage: str) -> list[Path]:
    """The file of each record of a stage, by number; files that are missing are included."""
    place = trial_folder(folder, 0, stage).parent
    numbers = [int(path.name) for path in place.glob("*") if path.name.isdecimal() and any(path.iterdir())]
    return [trial_folder(folder, number, stage) / RECORD for number in range(max(numbers, default=-1) + 1)]


def _rebuild(
    folder: Path,
    study: Study,
    records: Mapping[str, list[Trial | str]],
    decisions: Mapping[str, dict[str, Any]],
    done: Repair,
) -> None:
    """Write a new database from the records and the decisions of each stage."""
    store = StudyStorage(folder, study)
    try:
        workload = load(study.workload)
        settled = store.environment().get("settled", {})
        gate = ConstraintGate(study, workload, prepared_baseline(study, workload, settled))
        for stage, trials in records.items():
            _rebuild_stage(store.stage(stage), gate, trials, done)
            if decisions[stage]:
                store.stage(stage).decide(**decisions[stage])
        store.reconcile()
    finally:
        store.close()


def _rebuild_stage(storage: StageStorage, gate: ConstraintGate, trials: list[Trial | str], done: Repair) -> None:
    rebuilt: list[tuple[Trial, Mapping[str, float]]] = []
    for number, trial in enumerate(trials):
        if isinstance(trial, Trial):
            # The violations of a rejected configuration are in no record, but the sampler learns from them.
            rejected = storage.stage == SEARCH and trial.status is Status.REJECTED
            rebuilt.append((trial, gate.assess(trial.parameters).violations if rejected else {}))
            done.restored[storage.stage] = done.restored.get(storage.stage, 0) + 1
            continue
        # Optuna numbers the trials of a study without gaps, so a lost one needs a place.
        rebuilt.append((Trial(number, storage.stage, Status.ABANDONED, {}, reason=f"lost: {trial}"), {}))
        done.lost.append(f"{storage.stage} {number}: {trial}; the next run makes it again")
    storage.restore(rebuilt)


def _read_decisions(folder: Path, stage: str, number: int, done: Repair) -> dict[str, Any]:
    """What a stage decided by: its arms and facts; empty if that is missing or damaged."""
    path = stage_file(folder, stage)
    if not path.exists():
        return {}
    try:
        return dict(read_sealed(path)["decided"])
    except (BadRecord, KeyError, TypeError, ValueError) as error:
        _put_aside(path, number, done)
        done.lost.append(f"{stage}: its decisions ({path.name}: {error}); the next run makes them again")
        return {}


def _check_environment(folder: Path, number: int, done: Repair) -> None:
    """Put a damaged environment aside, and keep the study's id if a test set was opened under it."""
    path = folder / ENVIRONMENT
    try:
        dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError) as error:
        _put_aside(path, number, done)
        done.lost.append(f"{ENVIRONMENT} ({error}): the provenance of the earlier runs")
        # With a new id the study would count as another one, and could open its test set a second time.
        ids = [opening.id for opening in Openings(folder.parent).all() if opening.study == folder.name]
        if ids:
            write_atomic(path, json.dumps({"id": ids[-1]}) + "\n")


def _put_aside(path: Path, number: int, done: Repair) -> None:
    if path.exists():
        done.kept.append(path.rename(_aside(path, number)))


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}{ASIDE.format(number)}")
