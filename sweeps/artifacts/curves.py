"""A trial's learning curve: the file `curves.csv` with one row per epoch, each written once.

Columns are `epoch`, `device_seconds` and the metrics that the workload yields. A row that a kill has torn has no end
of line; it is ignored when the file is read and dropped when the next epoch is appended.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sweeps.io.csv import quoted, quoting, unquoted
from sweeps.io.files import write_atomic

EPOCH = "epoch"
SECONDS = "device_seconds"


def read_curves(path: Path) -> list[dict[str, float]]:
    """Read the complete rows of a `curves.csv` in the order of epochs; empty if there is no file.

    Raises:
        ValueError: A cell is not a number, or the file is not UTF-8.
        KeyError: A row has no epoch.
    """
    return _parse(path)[1] if path.exists() else []


class CurveFile:
    """The `curves.csv` of one trial, for the process that appends to it.

    The rows stay in memory, so that appending an epoch does not parse the whole file. They are read again if the file
    on disk is not the one that this object has last read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] | None = None  # of the file whose content the next three describe
        self._columns: list[str] = []
        self._rows: dict[float, dict[str, float]] = {}  # by epoch
        self._torn = False

    def rows(self) -> list[dict[str, float]]:
        """Return the complete rows in the order of epochs. Raises as `read_curves`."""
        self._update()
        return [dict(self._rows[epoch]) for epoch in sorted(self._rows)]

    def last_epoch(self) -> int:
        """Return the latest epoch of the complete rows, 0 where there is none. Raises as `read_curves`."""
        self._update()
        return int(max(self._rows, default=0))

    def append(self, epoch: int, metrics: Mapping[str, float], seconds: float) -> None:
        """Append the row of an epoch and flush it to disk. An epoch that has a row already is skipped.

        Args:
            epoch: Counted from 1.
            metrics: By name. A new name adds a column; a missing one leaves an empty cell.
            seconds: The device time of the epoch in seconds.
        """
        self._update()
        if epoch in self._rows:
            return
        row = {EPOCH: epoch, SECONDS: round(seconds, 4), **metrics}
        columns = list(dict.fromkeys([*self._columns, *row]))
        if self._torn or columns != self._columns:
            write_atomic(self._path, _table([*self.rows(), row], columns))
        else:
            self._write_line(row)
        # If the write fails, nothing below runs, and the next call reads the file again unless it is unchanged.
        self._columns, self._torn = columns, False
        self._rows[epoch] = {name: float(value) for name, value in row.items() if name}
        self._stamp = _stamp(self._path)

    def _write_line(self, row: Mapping[str, float]) -> None:
        with self._path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self._columns, lineterminator="\n").writerow(row)
            file.flush()
            os.fsync(file.fileno())

    def _update(self) -> None:
        """Read the file if it is not as this object left it: another process, or a failed write, has changed it."""
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        columns, rows, self._torn = _parse(self._path) if stamp is not None else ([], [], False)
        self._columns, self._rows = columns, {row[EPOCH]: row for row in rows}
        # The stamp was taken before the content was read, so that a change in between is noticed the next time.
        self._stamp = stamp


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file is replaced or written to; None if there is no file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _parse(path: Path) -> tuple[list[str], list[dict[str, float]], bool]:
    """Return the columns and the complete rows of a file, and whether its last line is torn."""
    text = path.read_bytes().decode("utf-8")  # without translating line ends: a quoted name may contain "\r"
    whole = text[: text.rfind("\n") + 1]
    reader = csv.DictReader(io.StringIO(whole, newline=""))
    rows = [
        {unquoted(name): float(cell) for name, cell in row.items() if name and cell not in (None, "")} for row in reader
    ]
    columns = [unquoted(name) for name in reader.fieldnames or ()] if rows else []
    return columns, sorted(rows, key=lambda row: row[EPOCH]), whole != text


def _table(rows: Iterable[Mapping[str, Any]], columns: list[str]) -> str:
    """Return the whole content of a file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", quoting=quoting(columns))
    writer.writerow({name: quoted(name) for name in columns})
    writer.writerows(rows)
    return text.getvalue()
