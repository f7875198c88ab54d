"""A trial's learning curve as a file: `curves.csv`, one row per epoch, each written once."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sweeps.io.csv import quoted, quoting, unquoted
from sweeps.io.files import write_atomic


def read_curves(path: Path) -> list[dict[str, float]]:
    """The complete rows of a `curves.csv`, ascending by epoch. A last line torn by a kill is left out."""
    if not path.exists():
        return []
    text = path.read_bytes().decode("utf-8")  # a name may hold an end of line of another kind
    whole = io.StringIO(text[: text.rfind("\n") + 1], newline="")
    rows = [
        {unquoted(name): float(cell) for name, cell in row.items() if name and cell not in (None, "")}
        for row in csv.DictReader(whole)
    ]
    return sorted(rows, key=lambda row: row["epoch"])


def append_curve(path: Path, epoch: int, metrics: Mapping[str, float], seconds: float) -> None:
    """Add an epoch's row to a `curves.csv` unless it is there; a last line torn by a kill is repaired."""
    rows = read_curves(path)
    if any(row["epoch"] == epoch for row in rows):
        return
    row = {"epoch": epoch, "device_seconds": round(seconds, 4), **metrics}
    columns = list(dict.fromkeys([*(rows[0] if rows else ()), *row]))
    if rows and list(rows[0]) == columns and path.read_bytes().endswith(b"\n"):
        with path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, columns, lineterminator="\n").writerow(row)
            file.flush()
            os.fsync(file.fileno())
        return
    write_atomic(path, _table([*rows, row], columns))


def _table(rows: Iterable[Mapping[str, Any]], columns: list[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", quoting=quoting(columns))
    writer.writerow({name: quoted(name) for name in columns})
    writer.writerows(rows)
    return text.getvalue()
