"""The page: one offline file in which the answer comes first, its tables and figures after it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sweeps.evidence.importance import Importance
from sweeps.formatting import MetricFormat
from sweeps.io.escape import visible
from sweeps.report import figures
from sweeps.report.answer import tiles
from sweeps.report.figures import theme
from sweeps.report.figures.compact import compact
from sweeps.report.figures.panel import Plot, plots
from sweeps.report.figures.search_panels import panels
from sweeps.report.report import Report
from sweeps.report.tables.cost import cost_of
from sweeps.report.tables.grid import Grid, formats
from sweeps.report.tables.grid import titles as titles_of
from sweeps.report.tables.interval import difference, level, plain, probability

ROWS_UNDER_FIGURE = 300
NO_SCRIPT = "'none'"


def page(report: Report, importances: Sequence[Importance]) -> str:
    """The page as HTML."""
    results = report.findings.results
    drawn, absent = plots(panels(importances), results) if report.searched else ([], [])
    scripts = [figures.bundle(), resource("page.js")]
    everything = [*(plot for section in report.sections for plot in section.plots), *drawn]
    template = page_environment().get_template("template.html.j2")
    return template.render(
        report=report,
        study=results.study,
        updated=str(results.environment.get("updated", "")),
        tiles=tiles(results, cost_of(results)),
        plots=drawn,
        absent=absent,
        drawn=everything,
        staged=bool(results.stages),
        under=lambda plot: _under(plot, report.findings.words),
        policy=policy(scripts),
        style=Markup(resource("style.css")),
        scripts=[Markup(script) for script in scripts],
        figures=Markup(_figures(everything)),
    )


def page_environment() -> Environment:
    """The rules by which every page is filled in: all foreign text is escaped."""
    return Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=PackageLoader("sweeps.report", "."),
    )


def _under(plot: Plot, words: MetricFormat) -> Grid:
    """The data of a figure as they stand beneath it."""
    moved, shown = difference(words), level(words)
    kinds = {
        **formats(words, "value"),
        **dict.fromkeys(("best so far", "reference", "mean", "from", "to"), shown),
        **dict.fromkeys(("difference", "estimate", "simultaneous low", "simultaneous high"), moved),
        **dict.fromkeys(("low", "high"), shown if "mean" in plot.data else moved),
        "Holm p": probability,
    }
    if "importance" in plot.data:
        kinds |= dict.fromkeys(("importance", "low", "high"), plain)
    return Grid.of(plot.data, kinds, titles_of(words, "value"), ROWS_UNDER_FIGURE)


def policy(scripts: Sequence[str]) -> str:
    """A Content-Security-Policy: nothing is fetched, and no script runs but these, known by their hashes.

    Plotly styles its drawings inline and hands a figure over for download as a blob, hence the two exceptions.
    """
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    rules = [
        "default-src 'none'",
        f"script-src {allowed or NO_SCRIPT}",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
    ]
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def _figures(drawn: Sequence[Plot]) -> str:
    """The figures as JSON that cannot end the element it stands in."""
    data = {plot.key: json.loads(plot.figure.to_json()) for plot in drawn}
    text = json.dumps({**compact(data), "dark": theme.DARK}, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _printable(value: Any) -> Any:
    return visible(value) if type(value) is str else value  # Markup is our own and stays as it is


def resource(name: str) -> str:
    """A file that comes with this package."""
    return resources.files("sweeps.report").joinpath(name).read_text(encoding="utf-8")
