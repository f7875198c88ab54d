"""Write the report in Markdown, for git: the answer, the evidence with its pictures, the cost and the provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sweeps.io.escape import markdown_code, markdown_text
from sweeps.report.report import Report
from sweeps.report.sections import Section
from sweeps.report.static.pictures import Picture
from sweeps.report.tables.table import Table


def summary(report: Report, pictures: Mapping[str, Picture]) -> str:
    """Return the text of README.md.

    Args:
        report: The content of the report.
        pictures: The pictures by the names of their files in `figures/`.
    """
    study = report.data.results.study
    parts = [
        f"# {markdown_text(study.name)}",
        f"> {markdown_text(study.question)}",
        *_paragraphs(report),
        *_winner(report),
        *(["## What this does not show", _listed(report.limits)] if report.limits else []),
        *(part for section in report.sections for part in _section(section, pictures)),
        *_search(report),
        "## Cost",
        markdown_text(" ".join(report.cost)),
        *(part for table in report.cost_tables for part in (_heading(table, report), table.grid.markdown())),
        "## Provenance",
        report.provenance.grid.markdown() if len(report.provenance.frame) else "Nothing was recorded.",
        *([markdown_text(report.openings)] if report.openings else []),
        *(part for table in report.duplicates_tables for part in _titled(table)),
        "To repeat it:",
        markdown_code(report.command),
        "Every run, and why some did not finish: [tables/](tables/). Figures: `sweep report` writes `index.html`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _paragraphs(report: Report) -> list[str]:
    """The answer: one paragraph for a search alone, a list for several stages."""
    sentences = [markdown_text(sentence) for sentence in report.answer.sentences]
    staged = bool(report.data.results.stages)
    return ["\n".join(f"- {sentence}" for sentence in sentences)] if staged else [" ".join(sentences)]


def _winner(report: Report) -> list[str]:
    winner = report.winner
    if winner is None:
        return []
    changes = (
        winner.changes.grid.markdown()
        if len(winner.changes.frame)
        else "No searched setting differs from the baseline."
    )
    whole = ["The whole recipe, for the `baseline` of another study file:", markdown_code(winner.recipe.rstrip())]
    title = f"## The winner's recipe: {markdown_text(winner.called)}"
    return [title, changes, *(whole if winner.recipe else [])]


def _section(section: Section, pictures: Mapping[str, Picture]) -> list[str]:
    parts = [f"## {markdown_text(section.title)}", _listed(section.sentences)]
    for table in section.tables:
        if not table.folded:
            parts += _titled(table)
    for name, picture in pictures.items():
        if picture.section == section.key:
            parts.append(f"![{markdown_text(picture.title)}](figures/{name})")
    return [part for part in parts if part]


def _titled(table: Table) -> list[str]:
    return [f"**{markdown_text(table.title)}.** {markdown_text(table.note)}".strip(), table.grid.markdown()]


def _listed(sentences: Sequence[str]) -> str:
    lines = [markdown_text(sentence) for sentence in sentences]
    return lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines)


def _search(report: Report) -> list[str]:
    if not report.searched:
        return []
    grid = report.best.grid
    lead = "One run each, on validation data; the search never sees the test set."
    return ["## Best configurations", lead, grid.markdown() if grid.rows else "No trial has finished."]


def _heading(table: Table, report: Report) -> str:
    return f"**{markdown_text(table.title)}.**" if len(report.cost_tables) > 1 else ""
