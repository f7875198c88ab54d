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
        "A line that ends at a rung is a trial that was not promoted from it, or waits there. Thick: the best trial."
    )


def _predictions(rows: pd.DataFrame, data: ReportData) -> str:
    number = count(rows["trial"].nunique(), "trial")
    text = f"n = {number} trained to the end, one run each, on validation data. Whiskers: the predicted 80 % interval."
    for made in (decisions.LAST, decisions.FIRST):
        some = rows[rows["prediction"] == made]
        if len(some):
            text += f" Predicted {made}: {int(some['within'].astype(bool).sum()):,} of {len(some):,} within it."
    if (rows["prediction"] == decisions.FIRST).any():
        text += " Promoted trials are the better ones, which tend to end better than predicted when proposed."
    return text


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
