"""Build the data frames of the classes: the accuracy of each, and how often one is taken for another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add

import pandas as pd

from sweeps.artifacts.confusion import Confusion, read_confusion
from sweeps.evidence.findings import Findings
from sweeps.evidence.selection import ModelSelection
from sweeps.formatting import count
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval
from sweeps.stats import share_interval
from sweeps.storage.results import Results

TOP_PAIRS = 15
COLUMNS = ["class", "images", "accuracy", "most often taken for"]


@dataclass(frozen=True)
class Classes:
    """The confusion matrix of an arm's runs on one part of the data.

    Attributes:
        part: "validation" or "test".
        arm: What the report calls the runs, such as "the incumbent".
        runs: The number of runs.
        confusion: The counts, summed over the runs.
        broken: A sentence for each file that cannot be read.
    """

    part: str
    arm: str
    runs: int
    confusion: Confusion
    broken: tuple[str, ...] = ()

    @property
    def evidence(self) -> str:
        """The runs behind the figures: "n = 3 runs of the incumbent, 900 images in each, on test data"."""
        images = self.confusion.total // self.runs
        return f"n = {count(self.runs, 'run')} of {self.arm}, {count(images, 'image')} in each, on {self.part} data"


def classes_of(findings: Findings) -> Classes | None:
    """Return the confusion matrix of the preferred runs that have one; None if no run has.

    The order of preference is that of `Findings.selections`: the final model on the test set, then the incumbent, the
    ablation's baseline and the best trial of the search on validation data.
    """
    broken: list[str] = []
    for selection in findings.selections:
        matrices = list(_matrices(findings.results, selection, broken))
        # Runs of different data sets cannot be summed.
        same = [confusion for confusion in matrices if confusion.names == matrices[0].names]
        if same and same[0].total:
            return Classes(selection.part, selection.called, len(same), reduce(add, same), tuple(broken))
    return None


def classes_table(classes: Classes) -> pd.DataFrame:
    """Return a row per class that has images, lowest accuracy first.

    The columns are the class, its images in one run, the accuracy in percent, and the class for which it is most often
    taken. The interval (Clopper-Pearson) is for the images of one run: further runs see the same images again.
    """
    confusion = classes.confusion
    rows: list[tuple[str, int, Interval, str | None]] = []
    # Reversed, so that the most frequent confusion of each class is the one that remains.
    most_frequent = {confused.true: confused for confused in reversed(confusion.confused())}
    counted = zip(confusion.names, confusion.images, confusion.correct, strict=True)
    for place, (name, images, correct) in enumerate(counted):
        if images:
            most = most_frequent.get(place)
            taken_for = f"{confusion.names[most.predicted]} ({100 * most.images:.1f} %)" if most else None
            rows.append((name, round(images / classes.runs), _share(correct, images, classes.runs), taken_for))
    return frame_of(sorted(rows, key=lambda row: row[2].value or 0.0), COLUMNS)


def pairs_table(classes: Classes, top: int = TOP_PAIRS) -> pd.DataFrame:
    """Return the `top` most frequent confusions over all runs.

    The columns are both classes, the count, its share of all errors and of the class in percent, and `the other way`,
    the count of the second class taken for the first.
    """
    names = classes.confusion.names
    rows = [
        (names[one.true], names[one.predicted], one.count, 100 * one.errors, 100 * one.images, one.reverse)
        for one in classes.confusion.confused()[:top]
    ]
    return frame_of(rows, ["class", "taken for", "times", "of all errors", "of the class", "the other way"])


def matrix(classes: Classes) -> pd.DataFrame:
    """Return one row for each pair of true and predicted class that occurred: the count and its share of the class."""
    confusion = classes.confusion
    rows = [
        (name, confusion.names[place], counted, 100 * counted / images)
        for name, row, images in zip(confusion.names, confusion.counts, confusion.images, strict=True)
        for place, counted in enumerate(row)
        if counted
    ]
    return frame_of(rows, ["class", "predicted", "times", "of the class"])


def _share(correct: int, images: int, runs: int) -> Interval:
    images_of_one_run = max(1, images // runs)
    # Divided last: a whole number of images must not come out as 54.999….
    low, high = share_interval(correct * images_of_one_run / images, images_of_one_run)
    return Interval(100 * correct / images, 100 * low, 100 * high)


def _matrices(results: Results, selection: ModelSelection, broken: list[str]) -> Iterator[Confusion]:
    """The confusion matrices of the runs. The error of a file that cannot be read is added to `broken`."""
    for run in selection.runs:
        try:
            confusion = read_confusion(results.run_folder(run), selection.part)
        except ValueError as error:
            broken.append(str(error))
            continue
        if confusion is not None:
            yield confusion
