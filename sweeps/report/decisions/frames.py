"""Build the data frames of the decisions of a search."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sweeps.evidence.findings import Findings
from sweeps.evidence.search import Prediction, Step
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval

DIGITS = 4  # significant ones of a metric in the CSV file, so that the file of a thousand trials has 100 kB
COLUMNS = (
    *("decision", "trial", "why", "by", "from", "until", "place"),
    *("predicted end", "cost", "reached"),
)
# The columns of the tidy frame, with the dtypes that keep empty cells.
TIDY = {
    **dict.fromkeys(("decision", "trial"), "Int64"),
    **dict.fromkeys(("why", "by"), "object"),
    **dict.fromkeys(("from", "until", "place", "of", "go_on"), "Int64"),
    **dict.fromkeys(("predicted_low", "predicted", "predicted_high", "cost", "load_s"), "float64"),
    **dict.fromkeys(("reached", "end"), "float64"),
    "state": "object",
}


def decisions_table(findings: Findings) -> pd.DataFrame:
    """Return one row per decision, as the CSV file has it; empty cells are None.

    Returns:
        The number of the decision and of the trial; why it was handed out, and what chose a new one; from and until
        which epoch; its place among how many that had reached its rung; the predicted end with its 80 % interval;
        the cost in epochs of the baseline; the metric that it reached in this step. How a trial ended is in the table
        of the trials.
    """
    return frame_of([_row(step) for step in findings.search_history.steps], COLUMNS)


def decisions_frame(findings: Findings) -> pd.DataFrame:
    """Return one row per decision of the search, in their order, with typed columns.

    Returns:
        The columns are, in this order:

        - decision, trial: The number of the decision, and that of the trial.
        - why, by: "new", "promoted" or "to the end"; what chose a new configuration, such as "model" or "random".
        - from, until: The epochs of the step.
        - place, of, go_on: The trial's place at its rung, of how many, and how many of them go on.
        - predicted_low, predicted, predicted_high: The predicted end and its 80 % interval.
        - cost, load_s: In epochs of the baseline; the seconds that loading a paused state took.
        - reached, end: The metric after this step, and at the end of training; empty if the trial did not come there.
        - state: The trial's state now.
    """
    rows = [_tidy(step) for step in findings.search_history.steps]
    return pd.DataFrame(rows, columns=list(TIDY)).astype(TIDY)


def _row(step: Step) -> list[Any]:
    decision, rung = step.decision, step.decision.rung
    place = f"{rung.place} of {rung.reached}" if rung and rung.place is not None and rung.reached is not None else None
    return [
        *(decision.order, decision.trial, decision.why or None, decision.by or None, decision.start, decision.until),
        *(place, _interval(decision.predicted), _short(decision.cost), _short(step.reached)),
    ]


def _tidy(step: Step) -> list[Any]:
    decision, rung, predicted = step.decision, step.decision.rung, step.decision.predicted
    return [
        *(decision.order, decision.trial, decision.why or None, decision.by or None, decision.start, decision.until),
        *((rung.place, rung.reached, rung.go_on) if rung else (None,) * 3),
        *((predicted.low, predicted.median, predicted.high) if predicted else (None,) * 3),
        *(decision.cost, decision.load_s, step.reached, step.end, step.trial.state),
    ]


def _interval(predicted: Prediction | None) -> Interval | None:
    if predicted is None:
        return None
    low, median, high = (float(f"{end:.{DIGITS}g}") for end in (predicted.low, predicted.median, predicted.high))
    return Interval(median, low, high)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
