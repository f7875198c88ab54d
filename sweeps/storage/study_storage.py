"""A study's folder: one Optuna database with a study for each stage, and the files beside it."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import BaseModel
from sqlalchemy import URL, inspect
from sqlalchemy.exc import SQLAlchemyError

from sweeps.artifacts.layout import DATABASE, ENVIRONMENT, RETUNE, SEARCH, STOP_FILE, STUDY_FILE, stages_kept
from sweeps.io.disk import Unwritable
from sweeps.io.errors import UserError
from sweeps.io.files import fsync_path, put_in_place, write_atomic
from sweeps.io.filesystem import on_network
from sweeps.space.space import Space
from sweeps.storage.integrity import Damaged, compare, save_missing, way_out
from sweeps.storage.rdb import CachedRDBStorage
from sweeps.storage.results import Results
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.study import Study, dump

NEW = ".new"  # the suffix of a database that is being created
# What SQLAlchemy, Optuna and our own readers raise for rows that are damaged.
BROKEN = (ValueError, LookupError, TypeError, AttributeError, RuntimeError)


class StudyStorage:
    """The folder of one study. One driver at a time may change it (`sweeps.io.lock`); any process may read it.

    Attributes:
        folder: The study's folder.
        study: The study.
        search: The storage of the search.
    """

    def __init__(self, folder: Path, study: Study) -> None:
        """Open the database in `folder`, or create it. Raises Damaged if it cannot be read."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder = folder
        self.study = study
        with _readable(folder):
            self._storage = CachedRDBStorage(_open_storage(folder / DATABASE))
            self._stages: dict[str, StageStorage] = {}
            self.search = self.stage(SEARCH, study.space)

    @classmethod
    def open(cls, folder: Path, study: Study) -> StudyStorage:
        """Open the storage in `folder`, and replace the study file there by `study`, which may have grown."""
        for leftover in folder.glob(f".{DATABASE}.*{NEW}*"):  # of a driver that was killed while it created one
            leftover.unlink(missing_ok=True)
        storage = cls(folder, study)
        write_atomic(folder / STUDY_FILE, dump(study))
        return storage

    @property
    def stop_file(self) -> Path:
        """The file that asks the study's runs to end at their next checkpoint, as long as it exists."""
        return self.folder / STOP_FILE

    def close(self) -> None:
        """Close the database."""
        self._storage.close()

    def stage(self, stage: str, space: Space | None = None) -> StageStorage:
        """Return the storage of a stage, which is begun if it is new.

        Args:
            stage: The stage's name.
            space: What its trials search. By default the study's space for a stage that tunes an arm again, and an
                empty one for a stage of replicates.
        """
        if stage not in self._stages:
            self._stages[stage] = StageStorage(
                self._storage, self.folder, self.study, stage, space or self._space(stage)
            )
        return self._stages[stage]

    def begun(self) -> list[str]:
        """Return the stages after the search that have begun, in the order in which they began."""
        return [stage for stage in optuna.get_all_study_names(self._storage) if stage != SEARCH]

    def results(self) -> Results:
        """Return the results of the study so far. Raises Damaged if they cannot be read."""
        with _readable(self.folder):
            stages = {stage: self.stage(stage).results() for stage in self.begun()}
            return Results(self.study, tuple(self.search.trials()), self.environment(), self.folder, stages)

    def reconcile(self, *, writing: bool = True) -> None:
        """Compare the database with the records of trials and stages.

        Args:
            writing: Whether to write the records that a kill prevented. Only the driver may: a reader beside it would
                write records of trials that the driver is about to record.

        Raises:
            Damaged: They contradict each other, or one of them cannot be read.
        """
        with _readable(self.folder):
            names = [SEARCH, *self.begun()]
            for name in names:
                compare(self.stage(name), way_out(self.folder.name))
                if writing:
                    save_missing(self.stage(name))
            for lost in sorted(stages_kept(self.folder) - set(names)):
                raise Damaged(
                    f"the stage {lost} has files in {self.folder} but is not in its study.db; "
                    f"{way_out(self.folder.name)}"
                )

    def give_up_unfinished(self, reason: str) -> None:
        """Abandon the trials that an earlier driver left unfinished. Their configurations are trained again."""
        for name in (SEARCH, *self.begun()):
            stage = self.stage(name)
            for number, _ in stage.unfinished():
                stage.abandon(number, reason, again=True)

    def environment(self) -> dict[str, Any]:
        """Return the recorded provenance; empty before the first run. Raises Damaged if it cannot be read."""
        path = self.folder / ENVIRONMENT
        if not path.exists():
            return {}
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise Damaged(f"{path} cannot be read: {error}; {way_out(self.folder.name)}") from None

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Replace the recorded provenance."""
        write_atomic(self.folder / ENVIRONMENT, json.dumps(environment, indent=2, sort_keys=True) + "\n")

    def _space(self, stage: str) -> Space:
        """Return the space that a stage searches: the study's if the stage re-tunes an arm, else an empty one."""
        return self.study.space if stage.startswith(RETUNE) else Space.of((), {})


def _open_storage(path: Path) -> RDBStorage:
    if not path.exists():
        _create_database(path)
    # The journal mode is a property of the file. With SQLite's default, synchronous=FULL, it survives a loss of power.
    # WAL needs memory that all users of the database share, which machines of a network file system do not have.
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={'DELETE' if on_network(path.parent) else 'WAL'}")
    storage = _optuna_storage(path)
    _create_missing_indexes(storage)
    return storage


def _optuna_storage(path: Path) -> RDBStorage:
    """Optuna's storage in an SQLite file; it creates the tables that are missing."""
    url = URL.create("sqlite", database=str(path)).render_as_string()
    return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})


def _create_database(path: Path) -> None:
    """Create the database under another name and put it in place whole.

    Optuna creates its tables and their indexes one by one. A driver killed between the table of studies and its unique
    index would leave a database in which each later start adds the study once more.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=NEW, dir=path.parent)
    os.close(descriptor)
    whole = Path(name)
    try:
        storage = _optuna_storage(whole)
        storage.remove_session()
        storage.engine.dispose()
        whole.chmod(0o644)  # mkstemp makes the file private
        fsync_path(whole)
        with suppress(FileExistsError):  # another process has been faster
            put_in_place(whole, path)
    finally:
        whole.unlink(missing_ok=True)
    fsync_path(path.parent)


def _create_missing_indexes(storage: RDBStorage) -> None:
    """Complete a database whose creation was cut short, as earlier versions could leave it."""
    existing = inspect(storage.engine)
    for table in BaseModel.metadata.tables.values():
        present = {index["name"] for index in existing.get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in present:
                index.create(storage.engine)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Turn errors of the block into Damaged if the database caused them, or into Unwritable if the disk did."""
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
