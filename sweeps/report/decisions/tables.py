"""List the table of the decisions of a search."""

from __future__ import annotations

from sweeps.evidence.findings import Findings
from sweeps.report.decisions.frames import decisions_table
from sweeps.report.tables.grid import Formats, Titles
from sweeps.report.tables.interval import level
from sweeps.report.tables.table import Table

NAME = "decisions"
MOST_SHOWN = 300


def decision_tables(findings: Findings) -> list[Table]:
    """Return the table of the decisions; none where none is on record."""
    frame, shown = decisions_table(findings), level(findings.metric_format)
    if frame.empty:
        return []
    kinds: Formats = {
        **dict.fromkeys(("predicted end", "reached"), shown),
        **dict.fromkeys(("why", "by", "place"), str),
    }
    titles: Titles = {"predicted end": "predicted end [80 %]"}
    note = (
        "In the order in which they were made, one run each, on validation data. Place: among all trials that had "
        "reached the rung. Predicted: of the metric at the end of training. Cost: in epochs of the baseline. Reached: "
        "at the last epoch of the step."
    )
    return [Table(NAME, "Decisions", frame, kinds, titles, note, folded=True, most=MOST_SHOWN)]
