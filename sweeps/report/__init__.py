"""Write the report of a study: a page, tables, pictures and a summary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sweeps.evidence.importance import Importance
from sweeps.storage.results import Results

__all__ = ["Importance", "answer_sentences", "save_report"]


def save_report(results: Results, importances: Sequence[Importance], folder: Path) -> Path:
    """Write `index.html`, `README.md`, `tables/` and `figures/` into `folder`, each file atomically.

    Tables are written as CSV, Markdown and LaTeX, figures of the evidence also as SVG. Tables and figures that an
    earlier report left and this one does not have are removed.

    Args:
        results: The results of the study.
        importances: The importance of the searched settings, one per method; empty with too few trials.
        folder: The folder; it is created if it is missing.

    Returns:
        The path of the page.
    """
    # Imported here, because `sweep status` needs the sentences alone: not pandas, plotly and scipy.
    from sweeps.evidence.findings import Findings
    from sweeps.report.write import write_report

    return write_report(Findings.of(results), importances, folder)


def answer_sentences(results: Results, searched: Sequence[str] = ()) -> list[str]:
    """Return the answer of a study, the strongest finding first; empty before any run.

    Args:
        results: The results of the study.
        searched: The sentences on the best trial of the search.
    """
    if not results.stages:  # a search alone needs no statistics
        from sweeps.evidence.caveats import caveats
        from sweeps.evidence.ending import ending_sentences

        return [*searched, *ending_sentences(results), *(caveats(results) if results.trials else ())]
    from sweeps.evidence.findings import Findings
    from sweeps.report.conclusion.ranked import ranked_answer

    return ranked_answer(Findings.of(results), searched).sentences
