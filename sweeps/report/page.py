"""The report on disk: one offline page, the tables as CSV, and a Markdown summary for git."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from sweeps.files import write_atomic
from sweeps.report import figures, theme
from sweeps.report.answer import answer, cost_sentences, tiles
from sweeps.report.cost import Cost, cost_of, cost_table
from sweeps.report.ends import Ends, ends
from sweeps.report.escape import csv_cell, markdown_code, markdown_text, visible
from sweeps.report.grid import Grid, formats
from sweeps.report.grid import titles as titles_of
from sweeps.report.importance import Importance
from sweeps.report.panels import Plot, plots
from sweeps.report.table import best_table, curves_table, not_completed_table, provenance_table, trials_table
from sweeps.results import Results
from sweeps.study import dump
from sweeps.words import hours, measure, percent

PAGE, SUMMARY, TABLES = "index.html", "README.md", "tables"
ROWS_UNDER_FIGURE = 300


@dataclass(frozen=True)
class Report:
    """Everything that the page and the summary say, in plain text."""

    results: Results
    answer: list[str]
    best: Grid
    cost: Cost
    cost_table: Grid
    provenance: Grid
    ends: list[Ends]
    study_file: str
    command: str


def write_report(results: Results, importance: Importance | None, folder: Path) -> Path:
    """What `sweeps.report.write` does.

    `importance` is computed elsewhere; None where there are too few trials for it.
    """
    tables = folder / TABLES
    tables.mkdir(parents=True, exist_ok=True)
    for name, frame in _frames(results).items():
        write_atomic(tables / f"{name}.csv", _csv(frame))
    report = _report(results)
    write_atomic(folder / SUMMARY, _summary(report))
    write_atomic(folder / PAGE, _page(report, importance))
    return folder / PAGE


def _frames(results: Results) -> dict[str, pd.DataFrame]:
    """The tables by the names of their files."""
    return {
        "best": best_table(results),
        "trials": trials_table(results),
        "not_completed": not_completed_table(results),
        "curves": curves_table(results),
        "cost": cost_table(cost_of(results)),
        "provenance": provenance_table(results.environment),
    }


def _report(results: Results) -> Report:
    frames, cost = _frames(results), cost_of(results)
    words, metric = measure(results.study.metric), results.study.metric.name
    written, titled = formats(words, metric), titles_of(words, metric)
    best = frames["best"].drop(columns=["status", "seed", "started", "finished", "reason", "trainable_parameters"])
    costs = {cost.unit: hours, "share": lambda share: percent(share, 100), **written}
    return Report(
        results=results,
        answer=answer(results),
        best=Grid.of(best, written, titled),
        cost=cost,
        cost_table=Grid.of(frames["cost"], costs, {}),
        provenance=Grid.of(frames["provenance"], {}, {}),
        ends=ends(results),
        study_file=dump(results.study),
        command=_command(results.environment),
    )


def _page(report: Report, importance: Importance | None) -> str:
    results = report.results
    drawn, absent = plots(results, importance)
    scripts = [figures.bundle(), _resource("page.js")]
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_printable, trim_blocks=True, lstrip_blocks=True
    )
    words = measure(results.study.metric)
    written = {**formats(words, "value"), "best so far": words.show}
    return environment.from_string(_resource("template.html.j2")).render(
        report=report,
        study=results.study,
        updated=str(results.environment.get("updated", "")),
        cost=cost_sentences(report.cost),
        tiles=tiles(results, report.cost),
        plots=[(plot, Grid.of(plot.data, written, titles_of(words, "value"), ROWS_UNDER_FIGURE)) for plot in drawn],
        absent=absent,
        policy=_policy(scripts),
        style=Markup(_resource("style.css")),
        scripts=[Markup(script) for script in scripts],
        figures=Markup(_figures(drawn)),
    )


def _policy(scripts: Sequence[str]) -> str:
    """A Content-Security-Policy: nothing is fetched, and no script runs but these, known by their hashes.

    Plotly styles its drawings inline and hands a figure over for download as a blob, hence the two exceptions.
    """
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    rules = ["default-src 'none'", f"script-src {allowed}", "style-src 'unsafe-inline'", "img-src data: blob:"]
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def _figures(drawn: Sequence[Plot]) -> str:
    """The figures as JSON that cannot end the element it stands in."""
    data = {plot.key: json.loads(plot.figure.to_json()) for plot in drawn}
    text = json.dumps({"figures": data, "dark": theme.DARK}, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _summary(report: Report) -> str:
    """The answer, the best configurations, the cost and the provenance in Markdown."""
    study, cost = report.results.study, report.cost
    parts = [
        f"# {markdown_text(study.name)}",
        f"> {markdown_text(study.question)}",
        " ".join(markdown_text(sentence) for sentence in report.answer),
        "## Best configurations",
        "One run each, on validation data; the test set stays sealed.",
        report.best.markdown() if report.best.rows else "No trial has finished.",
        "## Cost",
        markdown_text(" ".join(cost_sentences(cost))),
        report.cost_table.markdown(),
        "## Provenance",
        report.provenance.markdown() if report.provenance.rows else "Nothing was recorded.",
        "To repeat it:",
        markdown_code(report.command),
        "Every trial, and why some did not finish: [tables/](tables/). Figures: `sweep report` writes `index.html`.",
    ]
    return "\n\n".join(parts) + "\n"


def _command(environment: Mapping[str, Any]) -> str:
    """The command that began the study, or the general one where none was recorded."""
    runs = environment.get("commands") or [{"command": environment.get("command")}]
    command = runs[0].get("command") if isinstance(runs[0], Mapping) else runs[0]
    return " ".join(map(str, command)) if isinstance(command, list | tuple) else str(command or "sweep run study.yaml")


def _csv(frame: pd.DataFrame) -> str:
    safe = frame.map(csv_cell)
    safe.columns = pd.Index([csv_cell(str(name)) for name in frame.columns], dtype=object)
    return str(safe.to_csv(index=False, lineterminator="\n"))


def _printable(value: Any) -> Any:
    return visible(value) if type(value) is str else value  # Markup is our own and stays as it is


def _resource(name: str) -> str:
    return resources.files("sweeps.report").joinpath(name).read_text(encoding="utf-8")
