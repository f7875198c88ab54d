"""The report on disk: one offline page, a Markdown summary for git, the tables, and small pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from sweeps.evidence.findings import Findings
from sweeps.evidence.importance import Importance
from sweeps.io.escape import csv_cell
from sweeps.io.files import write_atomic
from sweeps.report.html import page
from sweeps.report.markdown import summary
from sweeps.report.report import report_of
from sweeps.report.static import pictures
from sweeps.report.tables.catalogue import NAMES, data, tables

PAGE, SUMMARY, TABLES, PICTURES = "index.html", "README.md", "tables", "figures"
SUFFIXES = ("csv", "md", "tex")


def write_report(findings: Findings, importances: Sequence[Importance], folder: Path) -> Path:
    """Write page, summary, tables and pictures into `folder`, each file atomically; returns the page's path.

    Tables and pictures that an earlier report left and this one does not have are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report, drawn = report_of(findings), pictures.pictures(findings)
    replace_files(folder / TABLES, table_files(findings), (f"{name}.{kind}" for name in NAMES for kind in SUFFIXES))
    replace_files(folder / PICTURES, {name: one.svg for name, one in drawn.items()}, pictures.FILES)
    write_atomic(folder / SUMMARY, summary(report, drawn))
    write_atomic(folder / PAGE, page(report, importances))
    return folder / PAGE


def table_files(findings: Findings) -> dict[str, str]:
    """The tables by the names of their files: CSV with every column, Markdown and LaTeX as on the page."""
    files = {f"{name}.csv": csv_text(frame) for name, frame in data(findings).items()}
    for table in tables(findings):
        files[f"{table.name}.csv"] = csv_text(table.data)
        grid = table.grid
        if grid.rows:
            files |= {f"{table.name}.md": f"{grid.markdown()}\n", f"{table.name}.tex": grid.latex()}
    return files


def replace_files(folder: Path, files: Mapping[str, str], known: Iterable[str]) -> None:
    """Write `files` into `folder` and remove those of the `known` names that are not among them."""
    if files:
        folder.mkdir(exist_ok=True)
    for name, text in files.items():
        write_atomic(folder / name, text)
    for name in known:
        if name not in files:
            (folder / name).unlink(missing_ok=True)


def csv_text(frame: pd.DataFrame) -> str:
    """A data frame as CSV that no spreadsheet runs."""
    safe = frame.map(csv_cell)
    safe.columns = pd.Index([csv_cell(str(name)) for name in frame.columns], dtype=object)
    return str(safe.to_csv(index=False, lineterminator="\n"))
