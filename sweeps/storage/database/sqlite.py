"""Connect to an SQLite file to read it, without Optuna, which is slow to import."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

BESIDE = ("-wal", "-journal")  # the files in which SQLite keeps what is not in the database yet
TIMEOUT_S = 60.0  # how long to wait for another process that is writing


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """Connect to a database to read it, also where this process may not write, in memory if need be.

    Raises:
        sqlite3.Error: It cannot be read.
        OSError: It cannot be read.
    """
    path = path.resolve()
    if not os.access(path, os.R_OK) and path.exists():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        # Nothing is written. But a connection that may not write could not remove the files that SQLite keeps beside an
        # open database in WAL mode, nor undo what a killed driver has left half-written.
        return _connected(path, "rw")
    connection = _connected(path, "ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:
        connection.close()
        return _copied_to_memory(path)
    return connection


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=TIMEOUT_S, check_same_thread=False)


def _copied_to_memory(path: Path) -> sqlite3.Connection:
    """Read a database that SQLite could only open if it might write beside it: in WAL mode, or after a kill."""
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with tempfile.TemporaryDirectory(prefix="sweep-read-") as scratch:
        copy = Path(scratch) / path.name
        for suffix in ("", *BESIDE):
            source = path.with_name(path.name + suffix)
            if source.exists():
                shutil.copyfile(source, copy.with_name(source.name))
        with closing(sqlite3.connect(copy)) as database:
            database.execute("PRAGMA journal_mode=DELETE")  # a database in memory has no WAL
            database.backup(memory)
    return memory
