"""The report of a study: `write` turns its results into a page, tables and a summary."""

from __future__ import annotations

from pathlib import Path

from sweeps.report.importance import Importance
from sweeps.results import Results

__all__ = ["Importance", "write"]


def write(results: Results, importance: Importance | None, folder: Path) -> Path:
    """Write `index.html`, `README.md` and `tables/*.csv` into `folder`, each atomically; returns the page's path.

    `importance` is computed elsewhere; None where there are too few trials for it.
    """
    # Whoever borrows the report's words must not pay for pandas and plotly.
    from sweeps.report.page import write_report

    return write_report(results, importance, folder)
