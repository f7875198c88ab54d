"""Open a study's database: for the driver, which creates it, and for readers, which may not be allowed to write."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from optuna.storages import RDBStorage
from optuna.storages._rdb.models import BaseModel
from sqlalchemy import URL, inspect

from sweeps.io.files import create_beside, fsync_path, put_in_place
from sweeps.io.filesystem import on_network
from sweeps.storage.database.sqlite import TIMEOUT_S, connect_for_reading

NEW = ".new"  # the suffix of a database that is being created


def open_for_writing(path: Path) -> RDBStorage:
    """Open a database, which is created if it is missing. A symbolic link stands for the file to which it leads."""
    path = path.resolve()
    if not path.exists():
        _create(path)
    # The journal mode is a property of the file. With SQLite's default, synchronous=FULL, it survives a loss of power.
    # WAL needs memory that all users of the database share, which machines of a network file system do not have.
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={'DELETE' if on_network(path.parent) else 'WAL'}")
    storage = _optuna_storage(path)
    _create_missing_indexes(storage)
    return storage


def open_for_reading(path: Path) -> RDBStorage | None:
    """Open a database without changing it; None if it does not exist or its creation was cut short."""
    if not path.exists():
        return None
    with closing(connect_for_reading(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not set(BaseModel.metadata.tables) <= tables:
        return None
    url = URL.create("sqlite", database=str(path.resolve())).render_as_string()
    return RDBStorage(url, {"creator": lambda: connect_for_reading(path)}, skip_table_creation=True)


def remove_unfinished(path: Path) -> None:
    """Remove the files of drivers that were killed while they created the database."""
    path = path.resolve()
    for leftover in path.parent.glob(f".{path.name}.*{NEW}*"):
        leftover.unlink(missing_ok=True)


def _optuna_storage(path: Path) -> RDBStorage:
    """Optuna's storage in an SQLite file; it creates the tables that are missing."""
    url = URL.create("sqlite", database=str(path)).render_as_string()
    return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": TIMEOUT_S}})


def _create(path: Path) -> None:
    """Create the database under another name and put it in place whole.

    Optuna creates its tables and their indexes one by one. A driver killed between the table of studies and its unique
    index would leave a database in which each later start adds the study once more.
    """
    with _new_file(path) as whole:
        storage = _optuna_storage(whole)
        storage.remove_session()
        storage.engine.dispose()
        fsync_path(whole)
        with suppress(FileExistsError):  # another process has been faster
            put_in_place(whole, path)
    fsync_path(path.parent)


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Yield an empty file beside `path`, which is removed in the end if it is still there."""
    whole, descriptor = create_beside(path, NEW)  # SQLite itself would create it without the group's right to write
    os.close(descriptor)
    try:
        yield whole
    finally:
        whole.unlink(missing_ok=True)


def _create_missing_indexes(storage: RDBStorage) -> None:
    """Complete a database whose creation was cut short, as earlier versions could leave it."""
    existing = inspect(storage.engine)
    for table in BaseModel.metadata.tables.values():
        present = {index["name"] for index in existing.get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in present:
                index.create(storage.engine)
