"""The classes: how well each is recognised, and which are taken for which, from what the runs left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add

import pandas as pd

from sweeps.artifacts.confusion import Confusion, read_confusion
from sweeps.evidence.findings import Findings
from sweeps.evidence.selection import ModelSelection, choices, run_folder
from sweeps.formatting import count
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval
from sweeps.stats import share_interval
from sweeps.storage.results import Results

TOP_PAIRS = 15
COLUMNS = ["class", "images", "accuracy", "most often taken for"]


@dataclass(frozen=True)
class Classes:
    """The counts of an arm's runs on one part of the data, added up: `part` is "validation" or "test"."""

    part: str
    arm: str
    runs: int
    confusion: Confusion
    broken: tuple[str, ...] = ()  # what could not be read, and why

    @property
    def evidence(self) -> str:
        """How much stands behind the figures: "n = 3 runs of the incumbent, 900 images in each, on test data"."""
        images = self.confusion.total // self.runs
        return f"n = {count(self.runs, 'run')} of {self.arm}, {count(images, 'image')} in each, on {self.part} data"


def classes_of(findings: Findings) -> Classes | None:
    """The best that is known: the final model on the test set, else the incumbent, the ablation's baseline or the best
    trial of the search on validation images; None where no run left counts."""
    broken: list[str] = []
    for choice in choices(findings.results):
        left = list(_left(findings.results, choice, broken))
        same = [found for found in left if found.names == left[0].names]
        if same and same[0].total:
            return Classes(choice.part, choice.called, len(same), reduce(add, same), tuple(broken))
    return None


def classes_table(found: Classes) -> pd.DataFrame:
    """A row per class that has images, the least recognised first: images in a run, accuracy, what it is taken for.

    In percent. The exact interval (Clopper-Pearson) is that of one run's images: further runs bring no further ones.
    """
    confusion = found.confusion
    rows: list[tuple[str, int, Interval, str | None]] = []
    mistaken = {each.true: each for each in reversed(confusion.confused())}
    counted = zip(confusion.names, confusion.images, confusion.correct, strict=True)
    for place, (name, images, correct) in enumerate(counted):
        if images:
            most = mistaken.get(place)
            taken = f"{confusion.names[most.predicted]} ({100 * most.images:.1f} %)" if most else None
            rows.append((name, round(images / found.runs), _share(correct, images, found.runs), taken))
    return frame_of(sorted(rows, key=lambda row: row[2].value or 0.0), COLUMNS)


def pairs_table(found: Classes, top: int = TOP_PAIRS) -> pd.DataFrame:
    """The `top` most frequent confusions: how often in all runs, and what share of all errors and of the class that is.

    `the other way` counts the same two classes with their parts exchanged. Shares in percent.
    """
    names = found.confusion.names
    rows = [
        (names[each.true], names[each.predicted], each.count, 100 * each.errors, 100 * each.images, each.reverse)
        for each in found.confusion.confused()[:top]
    ]
    return frame_of(rows, ["class", "taken for", "times", "of all errors", "of the class", "the other way"])


def matrix(found: Classes) -> pd.DataFrame:
    """What every class was taken for, in all runs: one row for each pair that occurred, with its share of the class."""
    confusion = found.confusion
    rows = [
        (name, confusion.names[place], counted, 100 * counted / images)
        for name, row, images in zip(confusion.names, confusion.counts, confusion.images, strict=True)
        for place, counted in enumerate(row)
        if counted
    ]
    return frame_of(rows, ["class", "predicted", "times", "of the class"])


def _share(correct: int, images: int, runs: int) -> Interval:
    seen, share = max(1, images // runs), correct / images
    low, high = share_interval(share * seen, seen)
    return Interval(100 * share, 100 * low, 100 * high)


def _left(results: Results, choice: ModelSelection, broken: list[str]) -> Iterator[Confusion]:
    """What the runs left; a file that cannot be read is told of in `broken`."""
    for run in choice.runs:
        try:
            found = read_confusion(run_folder(results, run), choice.part)
        except ValueError as error:
            broken.append(str(error))
            continue
        if found is not None:
            yield found
