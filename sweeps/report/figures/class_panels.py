"""The figures of the section on classes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from sweeps.report.figures import draw_classes as figures
from sweeps.report.figures.panel import Panel
from sweeps.report.tables.classes import Classes, classes_table, matrix
from sweeps.report.tables.interval import expanded
from sweeps.storage.results import Results


def class_panels(found: Classes) -> Iterator[Panel]:
    """What is drawn of the classes."""
    yield Panel(
        "classes",
        "Accuracy of each class",
        lambda results: expanded(classes_table(found)),
        figures.draw_classes,
        partial(_classes, found),
        "",
    )
    yield Panel(
        "confusion",
        "What is taken for what",
        lambda results: matrix(found),
        partial(figures.draw_matrix, found.confusion.names),
        partial(_matrix, found),
        "",
    )


def _classes(found: Classes, data: pd.DataFrame, results: Results) -> str:
    return f"{found.evidence}. The lowest at the top. Whiskers: the exact 95 % interval for the images of one run."


def _matrix(found: Classes, data: pd.DataFrame, results: Results) -> str:
    added = "; all runs added up" if found.runs > 1 else ""
    return f"{found.evidence}{added}. Row: the true class; column: what was predicted. In percent of the row."
