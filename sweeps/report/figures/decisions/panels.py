"""The figures of the decisions of the search, and their captions."""

from __future__ import annotations

import pandas as pd

from sweeps.formatting import count
from sweeps.report.data import ReportData
from sweeps.report.figures.decisions import data as decisions
from sweeps.report.figures.decisions import draw
from sweeps.report.figures.panel import Panel


def _ladder(rows: pd.DataFrame, data: ReportData) -> str:
    return (
        f"n = {count(rows['decision'].nunique(), 'decision')} on {count(rows['trial'].nunique(), 'trial')}, in the "
        "order in which they were made. Upwards: a trial is trained. Level: it is paused, while others are trained. "
        "A line that ends at a rung is a trial that was not promoted from it, or waits there."
    )


def _predictions(rows: pd.DataFrame, data: ReportData) -> str:
    last = rows[rows["prediction"] == decisions.LAST]
    within = int(last["within"].astype(bool).sum())
    return (
        f"n = {count(rows['trial'].nunique(), 'trial')} trained to the end, one run each, on validation data. "
        f"Whiskers: the predicted 80 % interval, which held {within:,} of {len(last):,} times before the last step. "
        "The predictions made when a configuration was proposed are of the trials that were promoted to the end, which "
        "tend to end better than predicted."
    )


DECISION_PANELS = (
    Panel(
        "ladder",
        "Epochs by decision",
        lambda data: decisions.ladder(data.findings.search_history, data.groups),
        draw.draw_ladder,
        _ladder,
        "no decision of the search is on record",
        explained=False,
    ),
    Panel(
        "predictions",
        "Predicted and reached ends",
        lambda data: decisions.predictions(data.findings.search_history),
        draw.draw_predictions,
        _predictions,
        "no trial with a prediction has been trained to its end",
    ),
)
