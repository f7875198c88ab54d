"""Confusion matrices, and the CSV file in which a run keeps one for each labelled set."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import set_slug
from sweeps.io.csv import quoted, quoting, unquoted
from sweeps.io.files import write_atomic

MOST_BYTES = 64 << 20  # of a file, enough for about five thousand classes
MOST_IMAGES = 10**15
CORNER = "true class"  # the title of the first column; the others are named after the predicted classes


@dataclass(frozen=True)
class Confused:
    """One off-diagonal cell of a confusion matrix.

    Attributes:
        true: The index of the true class.
        predicted: The index of the predicted class.
        count: The number of images.
        errors: Their share of all errors, from 0 to 1.
        images: Their share of the images of the true class, from 0 to 1.
        reverse: The number of images of the predicted class that were predicted as the true class.
    """

    true: int
    predicted: int
    count: int
    errors: float
    images: float
    reverse: int


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix.

    Attributes:
        names: The names of the K classes.
        counts: The numbers of images, shape (K, K), by true class (row) and predicted class (column).
    """

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, names: Iterable[Any], counts: Iterable[Iterable[Any]]) -> Confusion:
        """Make a matrix from names and rows of whole numbers of any type.

        Raises:
            ValueError: There is not one row and one column for each name, or a count is negative or no whole number.
        """
        named, rows = tuple(map(str, names)), tuple(tuple(int(count) for count in row) for row in counts)
        if len(rows) != len(named) or any(len(row) != len(named) for row in rows):
            sizes = sorted({len(row) for row in rows})
            raise ValueError(f"{len(named)} classes need as many rows and columns but got {len(rows)} rows of {sizes}")
        if any(not 0 <= count <= MOST_IMAGES for row in rows for count in row):
            raise ValueError(f"counts of images are from 0 to {MOST_IMAGES:,}")
        return cls(named, rows)

    def __add__(self, other: Confusion) -> Confusion:
        """Return the sum of both matrices. Raises ValueError if their classes differ."""
        if self.names != other.names:
            raise ValueError("counts of different classes cannot be added")
        pairs = zip(self.counts, other.counts, strict=True)
        return Confusion(self.names, tuple(tuple(map(sum, zip(one, two, strict=True))) for one, two in pairs))

    @property
    def total(self) -> int:
        """The number of images."""
        return sum(self.images)

    @property
    def images(self) -> tuple[int, ...]:
        """The number of images of each true class, shape (K,)."""
        return tuple(map(sum, self.counts))

    @property
    def correct(self) -> tuple[int, ...]:
        """The number of correctly predicted images of each class, shape (K,)."""
        return tuple(row[place] for place, row in enumerate(self.counts))

    @property
    def errors(self) -> int:
        """The number of images that were predicted as another class."""
        return self.total - sum(self.correct)

    def confused(self) -> list[Confused]:
        """Return the cells with errors, the most frequent first; equally frequent ones in the order of the classes."""
        images, errors, counts = self.images, self.errors, self.counts
        cells = [
            Confused(true, predicted, count, count / errors, count / images[true], counts[predicted][true])
            for true, row in enumerate(counts)
            for predicted, count in enumerate(row)
            if count and true != predicted
        ]
        return sorted(cells, key=lambda cell: -cell.count)


def confusion_file(folder: Path, set_name: str) -> Path:
    """Return the file in the run's `folder` for the labelled set `set_name`, which may be any text."""
    return folder / f"confusion-{set_slug(set_name)}.csv"


def write_confusion(folder: Path, set_name: str, confusion: Confusion) -> None:
    """Write the confusion matrix of a labelled set to the run's `folder`, with class names quoted (`sweeps.io.csv`)."""
    text = io.StringIO()
    names = list(map(quoted, confusion.names))
    writer = csv.writer(text, lineterminator="\n", quoting=quoting(names))
    writer.writerow([CORNER, *names])
    writer.writerows([name, *row] for name, row in zip(names, confusion.counts, strict=True))
    write_atomic(confusion_file(folder, set_name), text.getvalue())


def read_confusion(folder: Path, set_name: str) -> Confusion | None:
    """Read the confusion matrix of a labelled set from the run's `folder`.

    Returns:
        The matrix; None if the run wrote none.

    Raises:
        ValueError: The file is damaged. The message names it.
    """
    file = confusion_file(folder, set_name)
    if not file.exists():
        return None
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
        rows = list(csv.reader(io.StringIO(file.read_bytes().decode("utf-8"), newline="")))
        return Confusion.of(map(unquoted, rows[0][1:]), _body(rows))
    except (ValueError, IndexError, csv.Error) as error:
        raise ValueError(f"{file} is no table of counts by true and predicted class: {error}") from None


def _body(rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Return the cells of the counts. Raises ValueError if the titles of rows and columns do not fit."""
    if rows[0][0] != CORNER:
        raise ValueError(f"its first cell is not {CORNER!r}")
    if [row[0] for row in rows[1:]] != list(rows[0][1:]):
        raise ValueError("its rows and columns have different names")
    return [row[1:] for row in rows[1:]]
