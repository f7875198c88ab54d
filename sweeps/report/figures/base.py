"""The parts that several figures share: columns, error bars, and the marks and lines of trials."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from sweeps.formatting import MetricFormat, metric_format, setting, status_name
from sweeps.io.escape import plotly_text
from sweeps.report.figures.search_data import BEST, COMPLETE, UPPER
from sweeps.report.figures.theme import MARKS
from sweeps.report.tables.frames import last_value, missing
from sweeps.storage.results import Results
from sweeps.trial.arm import BASELINE
from sweeps.trial.trial import Trial

Figure: TypeAlias = go.Figure

# The order in which groups of trials are drawn: the last ones lie on top.
ORDER = ("pruned", "diverged", "out_of_memory", "failed", "paused", "running", COMPLETE, UPPER, BASELINE, BEST)
SETTINGS_SHOWN = 12


def bundle() -> str:
    """Return the source of plotly.js, which a page contains once."""
    return str(get_plotlyjs())


def column(rows: pd.DataFrame, name: str) -> list[Any]:
    """Return the cells of a column, with None for empty ones."""
    return [None if missing(value) else value for value in rows[name]]


def whiskers(rows: pd.DataFrame, name: str, colour: str, width: float = 1.5, cap: int = 5) -> dict[str, Any]:
    """Return the error bars of the column `name`, from the columns low and high; none for a row without an interval.

    Args:
        rows: The data.
        name: The column of the values.
        colour: The colour of the bars.
        width: Their thickness in pixels.
        cap: The length of their ends in pixels.
    """
    values = rows[[name, "low", "high"]].to_numpy()
    up = [None if missing(high) else high - value for value, _, high in values]
    down = [None if missing(low) else value - low for value, low, _ in values]
    shape = {"type": "data", "symmetric": False, "color": colour, "thickness": width, "width": cap}
    return {**shape, "array": up, "arrayminus": down}


def two_lines(text: str) -> str:
    """Return a label for a narrow place, broken at the blank, else behind the dot, nearest to its middle."""
    words = text.split(" ") if " " in text else text.replace(".", ". ").split(" ")
    if len(text) <= 12 or len(words) < 2:
        return plotly_text(text, 24)
    blank = " " if " " in text else ""
    cut = min(range(1, len(words)), key=lambda at: abs(len(blank.join(words[:at])) - len(text) / 2))
    return f"{plotly_text(blank.join(words[:cut]), 22)}<br>{plotly_text(blank.join(words[cut:]), 22)}"


def hover_texts(results: Results) -> dict[int, str]:
    """Return the text that figures show under the pointer for each trial of the search, by number."""
    words = metric_format(results.study.metric, results.percentages)
    return {trial.number: _hover_text(trial, words) for trial in results.trials}


def by_group(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows of each group of trials, in the order in which they are drawn."""
    return [(group, rows[rows["group"] == group]) for group in ORDER if (rows["group"] == group).any()]


def points(group: str, rows: pd.DataFrame, x: str, y: str, texts: Mapping[int, str]) -> go.Scatter:
    """Return a trace with one mark per row.

    Args:
        group: The group of the trials, which decides the mark.
        rows: The data, with the number of the trial in the column trial.
        x: The column of the horizontal axis.
        y: The column of the vertical axis.
        texts: The text under the pointer, by number of the trial.
    """
    mark = MARKS[group]
    # Thin symbols consist of their outline alone.
    outline = {"color": mark.colour, "width": 2 if "open" in mark.symbol else 0}
    return go.Scatter(
        x=column(rows, x),
        y=column(rows, y),
        mode="markers",
        name=status_name(group),
        marker={"color": mark.colour, "symbol": mark.symbol, "size": mark.size, "line": outline},
        hovertext=[texts[number] for number in rows["trial"]],
        hoverinfo="text",
    )


def lines(rows: pd.DataFrame, x: str, y: str, texts: Mapping[int, str]) -> go.Scatter:
    """Return one trace with a line per trial and a gap after each, because a thousand traces would be slow.

    Args:
        rows: The data; the rows of a trial follow each other.
        x: The column of the horizontal axis.
        y: The column of the vertical axis.
        texts: The text under the pointer, by number of the trial.
    """
    across: list[Any] = []
    up: list[Any] = []
    hover: list[str] = []
    cells = zip(rows["trial"], column(rows, x), column(rows, y), strict=True)
    for number, line in groupby(cells, key=itemgetter(0)):
        for _, right, height in line:
            across.append(right)
            up.append(height)
        across.append(None)
        up.append(None)
        hover += [texts[int(number)]] * (len(across) - len(hover))
    return go.Scatter(x=across, y=up, hovertext=hover, hoverinfo="text", connectgaps=False)


def _hover_text(trial: Trial, words: MetricFormat) -> str:
    parts = [f"trial {trial.number} ({status_name(trial.state)})"]
    value = last_value(trial)
    if value is not None:
        parts.append(f"{words.label} {words.show(value)}, epoch {trial.epochs}")
    parts += [f"{key}: {setting(at)}" for key, at in list(trial.parameters.items())[:SETTINGS_SHOWN]]
    parts += [f"{trial.cost['parameters']:,} parameters"] if "parameters" in trial.cost else []
    parts += [trial.reason] if trial.reason else []
    return "<br>".join(plotly_text(part, 70) for part in parts)
