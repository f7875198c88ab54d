"""What a classifier takes for what: counts by true and predicted class, as a run leaves them in a file for each set."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.io.csv import quoted, quoting, unquoted
from sweeps.io.files import write_atomic

MOST_BYTES = 64 << 20  # of a file: a matrix of five thousand classes
MOST_IMAGES = 10**15
CORNER = "true class"  # the title of the first column; those of the others are the predicted classes


@dataclass(frozen=True)
class Confused:
    """One class taken for another, `count` times.

    `errors` is that share of all errors, `images` that share of the images of the true class, both from 0 to 1;
    `reverse` counts the confusions the other way round. `true` and `predicted` are indices of classes.
    """

    true: int
    predicted: int
    count: int
    errors: float
    images: float
    reverse: int


@dataclass(frozen=True)
class Confusion:
    """Counts (K, K) of images, by true class (row) and predicted class (column), and the names (K,) of the classes."""

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, names: Iterable[Any], counts: Iterable[Iterable[Any]]) -> Confusion:
        """From any rows of numbers. Raises ValueError unless there is a row and a column of counts for each name."""
        named, rows = tuple(map(str, names)), tuple(tuple(int(count) for count in row) for row in counts)
        if len(rows) != len(named) or any(len(row) != len(named) for row in rows):
            sizes = sorted({len(row) for row in rows})
            raise ValueError(f"{len(named)} classes need as many rows and columns but got {len(rows)} rows of {sizes}")
        if any(not 0 <= count <= MOST_IMAGES for row in rows for count in row):
            raise ValueError(f"counts of images are from 0 to {MOST_IMAGES:,}")
        return cls(named, rows)

    def __add__(self, other: Confusion) -> Confusion:
        """Both together. Raises ValueError where their classes differ."""
        if self.names != other.names:
            raise ValueError("counts of different classes cannot be added")
        pairs = zip(self.counts, other.counts, strict=True)
        return Confusion(self.names, tuple(tuple(map(sum, zip(one, two, strict=True))) for one, two in pairs))

    @property
    def total(self) -> int:
        """All images."""
        return sum(self.images)

    @property
    def images(self) -> tuple[int, ...]:
        """How many images each class has (K,)."""
        return tuple(map(sum, self.counts))

    @property
    def correct(self) -> tuple[int, ...]:
        """How many images of each class were recognised (K,)."""
        return tuple(row[place] for place, row in enumerate(self.counts))

    @property
    def errors(self) -> int:
        """How many images were taken for another class."""
        return self.total - sum(self.correct)

    def confused(self) -> list[Confused]:
        """Every class taken for another, the most frequent first; equally frequent ones in the order of the classes."""
        images, errors, counts = self.images, self.errors, self.counts
        found = [
            Confused(true, predicted, count, count / errors, count / images[true], counts[predicted][true])
            for true, row in enumerate(counts)
            for predicted, count in enumerate(row)
            if count and true != predicted
        ]
        return sorted(found, key=lambda each: -each.count)


def confusion_file(folder: Path, set_name: str) -> Path:
    """Where a run that keeps its files in `folder` has the counts of a labelled set, whatever that is called."""
    slug = re.sub(r"[^a-z0-9]+", "-", set_name.lower()).strip("-")[:60]
    told_apart = "" if slug == set_name else f"-{hashlib.sha256(set_name.encode()).hexdigest()[:6]}"
    return folder / f"confusion-{slug}{told_apart}.csv"


def write_confusion(folder: Path, set_name: str, confusion: Confusion) -> None:
    """Leave the counts of a labelled set in a run's folder; names that begin like a formula get a quote before them."""
    text = io.StringIO()
    names = list(map(quoted, confusion.names))
    writer = csv.writer(text, lineterminator="\n", quoting=quoting(names))
    writer.writerow([CORNER, *names])
    writer.writerows([name, *row] for name, row in zip(names, confusion.counts, strict=True))
    write_atomic(confusion_file(folder, set_name), text.getvalue())


def read_confusion(folder: Path, set_name: str) -> Confusion | None:
    """The counts that a run left for a labelled set; None if it left none. Raises ValueError naming a broken file."""
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
    if rows[0][0] != CORNER:
        raise ValueError(f"its first cell is not {CORNER!r}")
    if [row[0] for row in rows[1:]] != list(rows[0][1:]):
        raise ValueError("its rows and columns have different names")
    return [row[1:] for row in rows[1:]]
