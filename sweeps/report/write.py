"""Write a report to disk: one offline page, a Markdown summary for git, the tables and small pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from sweeps.evidence.findings import Findings
from sweeps.evidence.importance import Importance
from sweeps.io.escape import csv_cell
from sweeps.io.files import remove_leftovers, write_atomic
from sweeps.report.data import ReportData
from sweeps.report.html import page
from sweeps.report.markdown import summary
from sweeps.report.report import Report, report_of
from sweeps.report.static import pictures
from sweeps.report.tables.catalogue import NAMES, data_frames

PAGE, SUMMARY, TABLES, PICTURES = "index.html", "README.md", "tables", "figures"
SUFFIXES = ("csv", "md", "tex")


def write_report(findings: Findings, importances: Sequence[Importance], folder: Path) -> Path:
    """Write page, summary, tables and pictures into `folder`, each file atomically.

    Tables and pictures that an earlier report left and this one does not have are removed.

    Args:
        findings: The findings of the study.
        importances: The importance of the searched settings, one per method.
        folder: The folder; it is created if it is missing.

    Returns:
        The path of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for place in (folder, folder / TABLES, folder / PICTURES):
        remove_leftovers(place, of_0_1_0=True)
    report = report_of(ReportData(findings, importances))
    drawn = pictures.pictures(report.data)
    replace_files(folder / TABLES, table_files(report), (f"{name}.{kind}" for name in NAMES for kind in SUFFIXES))
    replace_files(folder / PICTURES, {name: one.svg for name, one in drawn.items()}, pictures.FILES)
    # Page and summary are last, because they refer to the tables and pictures.
    write_atomic(folder / SUMMARY, summary(report, drawn))
    write_atomic(folder / PAGE, page(report))
    return folder / PAGE


def table_files(report: Report) -> dict[str, str]:
    """Return the tables by the names of their files: CSV with every column, Markdown and LaTeX as on the page."""
    files = {f"{name}.csv": csv_text(frame) for name, frame in data_frames(report.data).items()}
    for table in report.tables:
        files[f"{table.name}.csv"] = csv_text(table.data)
        if table.grid.rows:
            files |= {f"{table.name}.md": f"{table.grid.markdown()}\n", f"{table.name}.tex": table.grid.latex()}
    return files


def replace_files(folder: Path, files: Mapping[str, str], known: Iterable[str]) -> None:
    """Write `files` into `folder`, and remove the files of the `known` names that are not among them."""
    if files:
        folder.mkdir(exist_ok=True)
    for name, text in files.items():
        write_atomic(folder / name, text)
    for name in known:
        if name not in files:
            (folder / name).unlink(missing_ok=True)


def csv_text(frame: pd.DataFrame) -> str:
    """Return a data frame as CSV in which no cell is a formula for a spreadsheet."""
    safe = frame.map(csv_cell)
    safe.columns = pd.Index([csv_cell(str(name)) for name in frame.columns], dtype=object)
    return str(safe.to_csv(index=False, lineterminator="\n"))
