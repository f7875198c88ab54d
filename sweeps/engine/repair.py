"""Builds the storage of a damaged study anew, from the records that prove themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import DATABASE, ENVIRONMENT, RECORD, SEARCH, stage_file, stages_kept, trial_folder
from sweeps.artifacts.record import BadRecord, read_sealed, read_whole
from sweeps.formatting import count
from sweeps.io.errors import UserError
from sweeps.io.files import write_atomic
from sweeps.io.lock import driver_lock
from sweeps.samplers.feasibility import ConstraintGate
from sweeps.storage.integrity import Damaged
from sweeps.storage.openings import Openings
from sweeps.storage.runs import NotFound, study_document, study_folder
from sweeps.storage.stage_storage import StageStorage
from sweeps.storage.study_storage import StudyStorage
from sweeps.study.study import Study, parse
from sweeps.trial.trial import Status, Trial
from sweeps.workload import load

ASIDE = ".damaged-{}"  # follows the name of what is kept and not used any more
ORDER = ("confirm", "race", "retune", "ablation", "final")  # stages as they begin


@dataclass
class Repair:
    """What a repair did: how many trials each stage has again, and, a line each, what could not be restored."""

    restored: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)


def repair(runs: Path, name: str) -> Repair | None:
    """Rebuild the storage of the study called `name`; None where nothing is wrong with it.

    The database and the records that are damaged are kept under another name. Trials without an intact record are
    given up: the next run makes them again. Raises NotFound, Damaged where the study file itself cannot be read.
    """
    folder = study_folder(runs, name)
    study = _study(runs, name)
    with driver_lock(folder):
        if _sound(folder, study):
            return None
        done = Repair()
        number = next(n for n in range(1, 10_000) if not _aside(folder / DATABASE, n).exists())
        _environment(folder, number, done)
        trials = {stage: list(_intact(folder, stage, number, done)) for stage in _stages(folder)}
        decided = {stage: _decided(folder, stage, number, done) for stage in trials}
        for suffix in ("", "-wal", "-shm", "-journal"):
            _put_aside(folder / f"{DATABASE}{suffix}", number, done)
        store = StudyStorage(folder, study)
        try:
            gate = ConstraintGate(study, load(study.workload), store.environment().get("settled", {}))
            for stage, found in trials.items():
                _rebuild(store.ledger(stage), gate, found, done)
                if decided[stage]:
                    store.ledger(stage).decide(**decided[stage])
            store.reconcile()
        finally:
            store.close()
        return done


def _study(runs: Path, name: str) -> Study:
    try:
        return parse(study_document(runs, name))
    except NotFound:
        raise
    except UserError as error:
        raise Damaged(
            f"{error}\nThe study file in the folder of {name} is what everything else is read with: put the one that "
            f"the study was run with back as {study_folder(runs, name) / 'study.yaml'}"
        ) from None


def _sound(folder: Path, study: Study) -> bool:
    try:
        store = StudyStorage(folder, study)
        try:
            store.environment()
            store.reconcile(writing=False)
        finally:
            store.close()
    except Damaged:
        return False
    return True


def _stages(folder: Path) -> list[str]:
    """The stages that have left files, in the order of their beginning."""
    later = [name for name in stages_kept(folder) if name.partition("-")[0] in ORDER]
    return [SEARCH, *sorted(later, key=lambda name: (ORDER.index(name.partition("-")[0]), name))]


def _intact(folder: Path, stage: str, number: int, done: Repair) -> Iterator[Trial | str]:
    """By number: each trial as its record has it, or why it cannot be had."""
    for path in _records(folder, stage):
        if not path.exists():
            yield "it had not ended, or its record is gone"
            continue
        try:
            yield read_whole(path)
        except BadRecord as error:
            _put_aside(path, number, done)
            yield str(error)


def _records(folder: Path, stage: str) -> list[Path]:
    """Where the records of the trials of a stage are, or would be, by number."""
    place = trial_folder(folder, 0, stage).parent
    numbers = [int(path.name) for path in place.glob("*") if path.name.isdecimal() and any(path.iterdir())]
    return [trial_folder(folder, number, stage) / RECORD for number in range(max(numbers, default=-1) + 1)]


def _rebuild(ledger: StageStorage, gate: ConstraintGate, trials: list[Trial | str], done: Repair) -> None:
    rebuilt: list[tuple[Trial, Mapping[str, float]]] = []
    for number, trial in enumerate(trials):
        if isinstance(trial, Trial):
            # By how much a configuration was over a limit stands in no record; the sampler learns from it.
            rejected = ledger.stage == SEARCH and trial.status is Status.REJECTED
            rebuilt.append((trial, gate.assess(trial.parameters).violations if rejected else {}))
            done.restored[ledger.stage] = done.restored.get(ledger.stage, 0) + 1
            continue
        given_up = Trial(number, ledger.stage, Status.ABANDONED, {}, reason=f"lost: {trial}", started=_now())
        rebuilt.append((given_up, {}))
        done.lost.append(f"{ledger.stage} {number}: {trial}; it is given up, and what it was to tell is run again")
    ledger.restore(rebuilt)


def _decided(folder: Path, stage: str, number: int, done: Repair) -> dict[str, Any]:
    path = stage_file(folder, stage)
    if not path.exists():
        return {}
    try:
        return dict(read_sealed(path)["decided"])
    except (BadRecord, KeyError, TypeError, ValueError) as error:
        _put_aside(path, number, done)
        done.lost.append(f"{stage}: what it decided by ({path.name}: {error}); it is decided anew at the next run")
        return {}


def _environment(folder: Path, number: int, done: Repair) -> None:
    path = folder / ENVIRONMENT
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        _put_aside(path, number, done)
        done.lost.append(f"{ENVIRONMENT} ({error}): the provenance of the earlier runs")
        # A study is known by its id to those who count the openings of its test set.
        opened = [opening.id for opening in Openings(folder.parent).all() if opening.study == folder.name]
        if opened:
            write_atomic(path, json.dumps({"id": opened[-1]}) + "\n")


def _put_aside(path: Path, number: int, done: Repair) -> None:
    if path.exists():
        done.kept.append(path.rename(_aside(path, number)))


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}{ASIDE.format(number)}")


def _now() -> datetime:
    return datetime.now(UTC)


def in_words(done: Repair) -> str:
    """What a repair did, in lines."""
    restored = ", ".join(f"{count(n, 'trial')} of {stage}" for stage, n in done.restored.items()) or "no trial"
    lines = [f"Rebuilt from the records: {restored}."]
    lines += [f"Could not be restored: {line}." for line in done.lost] or ["Nothing was lost."]
    return "\n".join([*lines, *(f"Kept aside: {path}" for path in done.kept)])
