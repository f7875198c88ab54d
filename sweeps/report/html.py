"""Build the page: one offline file with the answer first, then tables and figures."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sweeps.evidence.ending import How, last_ending
from sweeps.formatting import MetricFormat, count, in_local_time
from sweeps.io.escape import visible
from sweeps.report import figures
from sweeps.report.answer import tiles
from sweeps.report.figures import theme
from sweeps.report.figures.panel import Plot, plots
from sweeps.report.figures.search_panels import SEARCH_PANELS
from sweeps.report.reading.prose import set_page
from sweeps.report.report import Report
from sweeps.report.tables.grid import Grid, formats
from sweeps.report.tables.grid import titles as titles_of
from sweeps.report.tables.interval import difference, level, plain, probability
from sweeps.report.trials.embedded import script_json, trials_data
from sweeps.storage.results import Results

TRIAL_SCRIPTS = ("cells", "export", "table", "links", "pages", "start")  # they share one scope

ROWS_UNDER_FIGURE = 300
PACKED_FROM = 1_000_000  # characters of a script: that of plotly.js
NO_SCRIPT = "'none'"
# Coordinates of a trace with more points than a screen has pixels are written with fewer digits.
MANY_POINTS = 2_000
DIGITS = 6


def page(report: Report) -> str:
    """Return the page as HTML."""
    results, words = report.data.results, report.data.findings.metric_format
    drawn, absent = plots(SEARCH_PANELS, report.data) if report.searched else ([], [])
    reading = resource("reading/reading.js")
    everything = [*(plot for section in report.sections for plot in section.plots), *drawn]
    trials = trials_data(report.data)
    scripts = [figures.bundle(), resource("page.js")] if everything else []
    scripts += [trials_script()] if trials else []
    template = page_environment().get_template("template.html.j2")
    html = template.render(
        report=report,
        study=results.study,
        updated=in_local_time(str(results.environment.get("updated", ""))),
        ended=_unless_complete(results),
        tiles=tiles(results, report.data.cost),
        plots=drawn,
        absent=absent,
        drawn=everything,
        staged=bool(results.stages),
        under=lambda plot: _under(plot, words),
        policy=policy([reading, *scripts]),
        style=Markup(resource("style.css") + resource("trials/trials.css")),
        reading=Markup(reading),
        scripts=[Markup(script) for script in scripts],
        figures=Markup(_figures(everything, report.data.hover_texts)),
        trials=Markup(script_json(trials)) if trials else "",
        trials_count=count(len(results.everything), "trial"),
    )
    return _readable(html)


def page_environment() -> Environment:
    """Return the Jinja environment of the pages, which escapes all foreign text."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,  # a misspelt name in a template raises instead of leaving a hole
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=PackageLoader("sweeps.report", "."),
    )
    environment.filters["element"] = script_element
    return environment


def script_element(script: str) -> Markup:
    """Return the element of a script; a large one is packed, and page.js unpacks it: a third of the size."""
    if len(script) < PACKED_FROM:
        return Markup(f"<script>{script}</script>")
    packed = base64.b64encode(zlib.compress(script.encode(), 9)).decode()
    return Markup(f'<script type="text/plain" id="packed-script">{packed}</script>')


def policy(scripts: Sequence[str]) -> str:
    """Return a Content-Security-Policy that allows these scripts, by their hashes, and forbids every request.

    Plotly sets styles inline and offers the download of a figure as a blob, so the policy allows both.
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


def compact(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return plotly's figures with each hover text of a trial written once; page.js restores them.

    Args:
        figures: The figures as JSON, by name.

    Returns:
        `{"figures": ..., "texts": [...]}`. The hover texts of a trace have become `{"runs": [[place, times], ...]}`,
        with places in `texts`.
    """
    places: dict[str, int] = {}
    drawn = {
        name: {**figure, "data": [_trace(trace, places) for trace in figure["data"]]}
        for name, figure in figures.items()
    }
    return {"figures": drawn, "texts": list(places)}


def resource(name: str) -> str:
    """Return the text of a file in this package."""
    return resources.files("sweeps.report").joinpath(name).read_text(encoding="utf-8")


def trials_script() -> str:
    """Return the script of the table of all trials."""
    parts = "\n".join(resource(f"trials/{name}.js") for name in TRIAL_SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _readable(html: str) -> str:
    """The page with its words explained; the scripts at its end stay as they are."""
    body, main, scripts = html.partition("</main>")
    text, terms = set_page(body)
    words = page_environment().get_template("reading/words.html.j2").render(terms=terms) if terms else ""
    return f"{text}{main}{words}{scripts}"


def _unless_complete(results: Results) -> str:
    """How the last run of the study ended, unless it is complete or still runs."""
    ending = last_ending(results)
    return "" if ending is None or ending.how is How.COMPLETE else ending.how.value


def _under(plot: Plot, words: MetricFormat) -> Grid:
    """The data of a figure, for the table below it."""
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


def _figures(drawn: Sequence[Plot], hover_texts: Mapping[int, str]) -> str:
    """The figures as JSON, with the number of the trial of each text under the pointer; None for other texts."""
    data = {plot.key: json.loads(plot.figure.to_json()) for plot in drawn}
    compacted, numbers = compact(data), {text: number for number, text in hover_texts.items()}
    trials = [numbers.get(text) for text in compacted["texts"]]
    return script_json({**compacted, "trials": trials, "dark": theme.DARK})


def _trace(trace: Mapping[str, Any], places: dict[str, int]) -> dict[str, Any]:
    changed: dict[str, Any] = {
        axis: [_rounded(at) for at in trace[axis]] for axis in "xy" if len(trace.get(axis) or ()) > MANY_POINTS
    }
    texts = trace.get("hovertext")
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):  # a heat map has a list per row
        runs = [[places.setdefault(text, len(places)), len(list(same))] for text, same in groupby(texts)]
        changed["hovertext"] = {"runs": runs}
    return {**trace, **changed}


def _rounded(at: Any) -> Any:
    return float(f"{at:.{DIGITS}g}") if isinstance(at, float) else at


def _printable(value: Any) -> Any:
    """The text of a cell without hidden characters. `Markup` is this package's own and stays as it is."""
    return visible(value) if type(value) is str else value
