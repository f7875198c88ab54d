"""A study's folder: one Optuna storage with a ledger for each stage, and the files beside it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from sweeps.artifacts.layout import DATABASE, ENVIRONMENT, SEARCH, STUDY_FILE, stages_kept
from sweeps.io.disk import Unwritable
from sweeps.io.errors import UserError
from sweeps.io.files import write_atomic
from sweeps.io.filesystem import on_network
from sweeps.space.space import Space
from sweeps.storage.integrity import Damaged, reconcile, way_out
from sweeps.storage.rdb import CachedRDBStorage
from sweeps.storage.results import Results
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.study import Study, dump

STOP_FILE = "stop"  # while it is there, runs leave at their next checkpoint
RETUNE = "retune-"
BROKEN = (ValueError, LookupError, TypeError, AttributeError, RuntimeError)  # what readers of damaged rows raise


class StudyStorage:
    """The folder of one study. One driver at a time changes it (`sweeps.io.lock`); anyone may read it."""

    def __init__(self, folder: Path, study: Study) -> None:
        """Raises Damaged where the database cannot be read."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder = folder
        self.study = study
        with _readable(folder):
            self._storage = CachedRDBStorage(_open_storage(folder / DATABASE))
            self._ledgers: dict[str, StageStorage] = {}
            self.search = self.ledger(SEARCH, study.space)

    @classmethod
    def open(cls, folder: Path, study: Study) -> StudyStorage:
        """The store in `folder`, begun if it is new. What may grow of `study` replaces what the folder holds."""
        store = cls(folder, study)
        write_atomic(folder / STUDY_FILE, dump(study))
        return store

    @property
    def stop_file(self) -> Path:
        """The file whose being there asks the study's runs to leave."""
        return self.folder / STOP_FILE

    def close(self) -> None:
        """Let go of the database."""
        self._storage.close()

    def ledger(self, stage: str, space: Space | None = None) -> StageStorage:
        """The trials of a stage, begun if it is new. `space` is what they search: nothing unless given."""
        if stage not in self._ledgers:
            self._ledgers[stage] = StageStorage(
                self._storage, self.folder, self.study, stage, space or self._space(stage)
            )
        return self._ledgers[stage]

    def begun(self) -> list[str]:
        """The stages that have begun, in the order of their beginning."""
        return [stage for stage in optuna.get_all_study_names(self._storage) if stage != SEARCH]

    def results(self) -> Results:
        """All that is known of the study. Raises Damaged where it cannot be read."""
        with _readable(self.folder):
            stages = {stage: self.ledger(stage).results() for stage in self.begun()}
            return Results(self.study, tuple(self.search.trials()), self.environment(), self.folder, stages)

    def reconcile(self, *, writing: bool = True) -> None:
        """Compare the storage with the records; a driver writes those that a kill left out. Raises Damaged."""
        with _readable(self.folder):
            names = [SEARCH, *self.begun()]
            for stage in names:
                reconcile(self.ledger(stage), way_out(self.folder.name), writing=writing)
            for lost in sorted(stages_kept(self.folder) - set(names)):
                raise Damaged(
                    f"the stage {lost} has files in {self.folder} but is not in its study.db; "
                    f"{way_out(self.folder.name)}"
                )

    def give_up_unfinished(self, reason: str) -> None:
        """Abandon the trials that a driver left behind; what they were is run anew."""
        for stage in (SEARCH, *self.begun()):
            ledger = self.ledger(stage)
            for number, _ in ledger.unfinished():
                ledger.abandon(number, reason, again=True)

    def environment(self) -> dict[str, Any]:
        """The provenance written so far; empty before the first run."""
        path = self.folder / ENVIRONMENT
        if not path.exists():
            return {}
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise Damaged(f"{path} cannot be read: {error}; {way_out(self.folder.name)}") from None

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Replace the provenance."""
        write_atomic(self.folder / ENVIRONMENT, json.dumps(environment, indent=2, sort_keys=True) + "\n")

    def _space(self, stage: str) -> Space:
        """A stage that tunes an arm again searches some of the study's own settings; replicates search nothing."""
        return self.study.space if stage.startswith(RETUNE) else Space.of((), {})


def _open_storage(path: Path) -> RDBStorage:
    # The mode lasts in the file; synchronous=FULL is SQLite's own default and survives a loss of power. WAL shares
    # memory between its users, which those of a network file system cannot.
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={'DELETE' if on_network(path.parent) else 'WAL'}")
    url = URL.create("sqlite", database=str(path)).render_as_string()
    return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Raise Damaged in the place of whatever a damaged database makes its readers raise."""
    try:
        yield
    except UserError:
        raise
    except (SQLAlchemyError, sqlite3.Error, StorageInternalError, OSError, *BROKEN) as error:
        unwritable = Unwritable.explaining(error, folder)
        if unwritable is not None:
            raise unwritable from error
        first_line = (str(error).splitlines() or [""])[0]
        raise Damaged(
            f"{folder / DATABASE} cannot be read: {type(error).__name__}: {first_line}; {way_out(folder.name)}"
        ) from error
