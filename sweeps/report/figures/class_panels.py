"""The figures of the classes."""

from __future__ import annotations

import pandas as pd

from sweeps.report.data import ReportData
from sweeps.report.figures import draw_classes as draw
from sweeps.report.figures.panel import Panel
from sweeps.report.tables.interval import expanded

NO_MATRIX = "no run has recorded a confusion matrix"


def _accuracy_data(data: ReportData) -> pd.DataFrame:
    return pd.DataFrame() if data.class_accuracies is None else expanded(data.class_accuracies)


def _confusion_data(data: ReportData) -> pd.DataFrame:
    return pd.DataFrame() if data.confusion is None else data.confusion


def _per_class(rows: pd.DataFrame, data: ReportData) -> str:
    evidence = data.classes.evidence if data.classes else ""
    return f"{evidence}. Lowest accuracy at the top. Whiskers: the exact 95 % interval for the images of one run."


def _confusion(rows: pd.DataFrame, data: ReportData) -> str:
    evidence = data.classes.evidence if data.classes else ""
    added = ", summed over the runs" if data.classes and data.classes.runs > 1 else ""
    text = f"{evidence}{added}. Row: the true class. Column: the predicted class. In percent of the row."
    many = data.classes is not None and len(data.classes.confusion.names) > draw.NUMBERED
    return f"{text} The most frequent confusions are in the table above." if many else text


CLASS_PANELS = (
    Panel("per_class", "Accuracy of each class", _accuracy_data, draw.draw_per_class, _per_class, NO_MATRIX),
    Panel("confusion", "Confusion matrix", _confusion_data, draw.draw_confusion, _confusion, NO_MATRIX),
)
