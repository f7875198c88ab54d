"""Read tables of trainings.

`NAME.npz` has these arrays; any other is ignored:

    X        (rows, dimensions), in [0, 1]: the configurations
    curves   (rows, epochs): the metric after each epoch. A value that is not finite (a diverged training) counts as the
             worst of the table
    seconds  (rows,): the device time of an epoch
    kinds    (dimensions,), optional: "float" (the default), or "intK" or "catK" for K values, ordered or not; value k
             of them is k / (K - 1) in X
    goal     optional: "maximize" (the default) or "minimize"

`NAME.csv.gz` is what `benchmarks.tabulate` writes: a column for each setting, `epoch_seconds`, and the metric by epoch.
The study that made it, `NAME.yaml` beside it, says which settings are continuous, and on which scale.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.known_table import kind as kind_of
from benchmarks.known_table import read_table
from benchmarks.search_quality.problems import CLOSE, Table, values_of

OWN = Path(__file__).parent.parent / "tables"
"""The tables of the repository."""

LONGEST = 27
"""Longer curves are thinned to this many epochs, so that all problems have about as many rungs."""

KIND = re.compile(r"float|(?:int|cat)[1-9]\d*")
GOALS = {"maximize": 1, "max": 1, "minimize": -1, "min": -1}


class BadTable(ValueError):
    """A table that cannot be read. The message names the file, the field and the rule."""


def read_tables(folder: Path) -> list[Table]:
    """Return all tables of a folder, by name. Raises `BadTable` if one of them is not valid."""
    npz = [read_npz(file) for file in folder.glob("*.npz")]
    packed = [read_csv(file) for file in folder.glob("*.csv.gz")]
    return sorted([*npz, *packed], key=lambda table: table.name)


def read_npz(file: Path) -> Table:
    """Read `NAME.npz`. Raises `BadTable`."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            fields = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BadTable(f"{file}: not a NumPy archive of plain arrays: {error}") from error
    points = _numbers(file, fields, "X", 2)
    shape = points.shape
    kinds = _kinds(file, fields, points)
    curves = _numbers(file, fields, "curves", 2, rows=shape[0]) * _sign(file, fields)
    seconds = _numbers(file, fields, "seconds", 1, rows=shape[0])
    if not np.all(np.isfinite(seconds) & (seconds > 0)):
        raise BadTable(f"{file}: seconds: must be positive and finite")
    return _table(file, file.name.removesuffix(".npz"), kinds, points, curves, seconds)


def read_csv(file: Path) -> Table:
    """Read `NAME.csv.gz`. A setting with more than two numbers is ordered; any other is a choice. Raises `BadTable`."""
    name = file.name.removesuffix(".csv.gz")
    if file.with_name(f"{name}.yaml").exists():
        known = read_table(name, file.parent)
        kinds = [kind_of(dimension) for dimension in known.space.dimensions]
        return _table(file, name, kinds, known.points, known.curves, known.epoch_seconds)
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    if "epoch_seconds" not in header:
        raise BadTable(f"{file}: epoch_seconds: there must be such a column")
    settings = header.index("epoch_seconds")
    axes = [_axis([row[column] for row in rows]) for column in range(settings)]
    kinds = [f"{'int' if ordered else 'cat'}{len(values)}" for values, ordered in axes]
    places = [[axis.index(cell) for (axis, _), cell in zip(axes, row[:settings], strict=True)] for row in rows]
    points = np.array(places) / [max(1, len(axis) - 1) for axis, _ in axes]
    numbers = np.array([[float(cell) for cell in row[settings:]] for row in rows])
    return _table(file, name, kinds, points, numbers[:, 1:], numbers[:, 0])


def _table(
    file: Path, name: str, kinds: Sequence[str], points: np.ndarray, curves: np.ndarray, seconds: np.ndarray
) -> Table:
    finite = np.isfinite(curves)
    if not finite.any():
        raise BadTable(f"{file}: curves: no value is finite")
    curves = np.where(finite, curves, curves[finite].min())
    if not curves[:, -1].max() > np.median(curves[:, -1]):
        raise BadTable(
            f"{file}: curves: the best last value must be better than the median one, else regret means nothing"
        )
    version = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    return Table(name, version, kinds, points, *thinned(curves, seconds))


def thinned(curves: np.ndarray, epoch_seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return curves of at most `LONGEST` epochs, evenly spaced, whose epochs last so much longer."""
    epochs = curves.shape[1]
    if epochs <= LONGEST:
        return curves, epoch_seconds
    at = np.round(np.linspace(epochs / LONGEST, epochs, LONGEST)).astype(int) - 1
    return curves[:, at], epoch_seconds * (epochs / LONGEST)


def _numbers(file: Path, fields: dict[str, Any], name: str, dimensions: int, rows: int | None = None) -> np.ndarray:
    """Return a field as floats, checked. Raises `BadTable`."""
    if name not in fields:
        raise BadTable(f"{file}: {name}: missing; the file has {', '.join(sorted(fields)) or 'no fields'}")
    array = fields[name]
    if array.ndim != dimensions or 0 in array.shape or array.dtype.kind not in "fiub":
        raise BadTable(
            f"{file}: {name}: must be {dimensions}-dimensional numbers, but is {array.dtype} of {array.shape}"
        )
    if rows is not None and len(array) != rows:
        raise BadTable(f"{file}: {name}: must have a row for each of the {rows} of X, but has {len(array)}")
    return array.astype(float)


def _kinds(file: Path, fields: dict[str, Any], points: np.ndarray) -> list[str]:
    """Return the kind of each dimension, after checking that X has such values. Raises `BadTable`."""
    if not np.all((points >= 0) & (points <= 1)):
        raise BadTable(f"{file}: X: every value must be in [0, 1]")
    kinds = [str(kind) for kind in fields.get("kinds", ["float"] * points.shape[1])]
    if len(kinds) != points.shape[1]:
        raise BadTable(
            f"{file}: kinds: must have {points.shape[1]} entries, one for each column of X, not {len(kinds)}"
        )
    for column, kind in enumerate(kinds):
        if not KIND.fullmatch(kind):
            raise BadTable(f'{file}: kinds: "{kind}" is none of "float", "intK" and "catK"')
        if kind != "float":
            places = points[:, column] * max(1, values_of(kind) - 1)
            if np.abs(places - places.round()).max() > CLOSE * values_of(kind):
                raise BadTable(f"{file}: X: column {column} is {kind}, but has values that are not k / (K - 1)")
    return kinds


def _sign(file: Path, fields: dict[str, Any]) -> int:
    goal = str(fields.get("goal", "maximize"))
    if goal not in GOALS:
        raise BadTable(f'{file}: goal: must be "maximize" or "minimize", but is "{goal}"')
    return GOALS[goal]


def _axis(cells: Sequence[str]) -> tuple[list[str], bool]:
    """Return the different values of a setting, ascending, and whether they are more than two numbers."""
    ordered = sorted(set(cells), key=lambda cell: (_number(cell.strip("[]")) or 0.0, cell))
    return ordered, len(ordered) > 2 and all(_number(cell) is not None for cell in ordered)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
