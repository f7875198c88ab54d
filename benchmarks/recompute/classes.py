"""Recompute the tables of classes, from the confusion matrix."""

from __future__ import annotations

import pandas as pd

from benchmarks.recompute import statistics
from benchmarks.recompute.compare import Columns
from benchmarks.recompute.levels import column
from benchmarks.recompute.published import Published


def classes(report: Published, table: pd.DataFrame) -> Columns:
    """Return the columns of the table of the classes' accuracies, from the confusion matrix."""
    matrix = report.tables["confusion"].assign(times=lambda frame: frame.times.astype(int))
    rows = []
    for _, row in table.iterrows():
        own = matrix[matrix["class"] == row["class"]]
        images, once = int(own.times.sum()), int(row.images)
        share = int(own[own.predicted == row["class"]].times.sum()) / images
        rows.append([100 * figure for figure in statistics.share(round(share * once, 9), once)])
        rows[-1][0] = 100 * share
    return {"accuracy": column(rows, 0), "accuracy low": column(rows, 1), "accuracy high": column(rows, 2)}


def confused(report: Published, table: pd.DataFrame) -> Columns:
    """Return the columns of the table of confusions, from the confusion matrix."""
    matrix = report.tables["confusion"]
    times = {(row["class"], row.predicted): int(row.times) for _, row in matrix.iterrows()}
    errors = sum(number for (true, taken), number in times.items() if true != taken)
    images = {name: sum(number for (true, _), number in times.items() if true == name) for name in matrix["class"]}
    both = [(row["class"], row["taken for"]) for _, row in table.iterrows()]
    return {
        "times": [times[pair] for pair in both],
        "of all errors": [100 * times[pair] / errors for pair in both],
        "of the class": [100 * times[pair] / images[pair[0]] for pair in both],
        "the other way": [times.get((taken, true), 0) for true, taken in both],
    }


def confusion(report: Published, table: pd.DataFrame) -> Columns:
    """Return the shares of the confusion matrix."""
    times = table.times.astype(int)
    return {"of the class": list(100 * times / times.groupby(table["class"]).transform("sum"))}
