"""The report of a study: `write` turns its results into a page, tables, pictures and a summary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sweeps.evidence.importance import Importance
from sweeps.storage.results import Results

__all__ = ["Importance", "sentences", "write"]


def write(results: Results, importances: Sequence[Importance], folder: Path) -> Path:
    """Write `index.html`, `README.md`, `tables/` and `figures/` into `folder`, each file atomically; the page's path.

    Tables are written as CSV, Markdown and LaTeX, figures of the evidence also as SVG. `importances` are computed
    elsewhere, one per method; there are none where there are too few trials.
    """
    # Whoever borrows the report's words must not pay for pandas, plotly and scipy.
    from sweeps.evidence.findings import Findings
    from sweeps.report.write import write_report

    return write_report(Findings.of(results), importances, folder)


def sentences(results: Results) -> list[str]:
    """What the stages after the search have answered, and what weakens the study; nothing before any run."""
    if not results.stages:  # a glance at a search must not pay for the statistics either
        from sweeps.evidence.caveats import caveats

        return caveats(results) if results.trials else []
    from sweeps.evidence.findings import Findings
    from sweeps.report.sentences import evidence_answer

    return evidence_answer(Findings.of(results))
