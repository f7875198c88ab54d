"""The figures of the search: each function takes the data that `series` computed and returns a plotly figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from sweeps.formatting import MetricFormat, measure, setting
from sweeps.io.escape import plotly_text
from sweeps.report.figures import theme
from sweeps.report.figures.base import column, whiskers
from sweeps.report.figures.search_data import BASELINE, BEST, COMPLETE, REJECTED, UPPER, metric_row, ticks
from sweeps.report.figures.theme import ARM_MARKS, MARKS, axis, epoch_axis, layout
from sweeps.report.tables.frames import last_value, missing
from sweeps.storage.results import Results
from sweeps.trial.trial import Trial

# Drawn in this order, so that what matters lies on top.
ORDER = ("pruned", "diverged", "out_of_memory", "failed", "running", COMPLETE, UPPER, BASELINE, BEST)
ROW_PX = 64
CATEGORIES_LABELLED = 8
MOST_LABELS = 12


def draw_tradeoff(data: pd.DataFrame, results: Results) -> go.Figure:
    """The metric against the number of parameters, with the budget line; rejected ones in a strip at the top."""
    words, hover = measure(results.study.metric), hovers(results)
    figure = go.Figure()
    front = data[data["front"].astype(bool)].sort_values("parameters")
    line = {"color": theme.GREEN, "width": 2, "dash": "dash"}
    figure.add_scatter(x=column(front, "parameters"), y=column(front, "value"), mode="lines+markers", line=line)
    ring = {"symbol": "circle-open", "size": 19, "line": {"width": 1.5}}
    figure.data[0].update(name="Pareto front", hoverinfo="skip", marker=ring)
    for group, rows in _groups(data[data["group"] != REJECTED]):
        figure.add_trace(_points(group, rows, "parameters", "value", hover))
    rejected = data[data["group"] == REJECTED].assign(value=0.0)
    if len(rejected):
        figure.add_trace(_points(REJECTED, rejected, "parameters", "value", hover).update(yaxis="y2"))
    log = data["parameters"].min() > 0 and data["parameters"].max() > 10 * data["parameters"].min()
    figure.update_layout(
        layout(440),
        xaxis=axis("parameters" + (" (log scale)" if log else ""), type="log" if log else "linear", tickformat="~s"),
        yaxis=axis(plotly_text(words.axis), domain=[0, 0.9] if len(rejected) else [0, 1]),
        yaxis2={"domain": [0.94, 1], "visible": False, "range": [-1, 1], "fixedrange": True},
    )
    for limit in limits(results, "parameters"):
        figure.add_vline(x=limit, line={"color": theme.INK, "width": 1.5, "dash": "dot"})
    return figure


def draw_curves(data: pd.DataFrame, results: Results) -> go.Figure:
    """The metric by epoch: the best above the completed ones above those that were stopped."""
    words, hover = measure(results.study.metric), hovers(results)
    figure = go.Figure()
    for group, rows in _groups(data):
        mark = MARKS[group]
        trace = _gapped(rows, "epoch", "value", hover)
        line = {"color": mark.colour, "width": 3 if group == BEST else 1.4, "dash": mark.dash}
        small = {"symbol": mark.symbol, "color": mark.colour, "size": 4 if group != BEST else 6}
        mode = "lines+markers" if len(rows) <= 400 else "lines"
        trace.update(name=_name(group), mode=mode, line=line, marker=small)
        figure.add_trace(trace.update(opacity=1.0 if group in (BEST, BASELINE) else 0.75))
    return figure.update_layout(
        layout(420), xaxis=epoch_axis(int(data["epoch"].max())), yaxis=axis(plotly_text(words.axis))
    )


def draw_history(data: pd.DataFrame, results: Results) -> go.Figure:
    """What each trial ended with, in the order in which they were asked for, and the best so far."""
    words, hover = measure(results.study.metric), hovers(results)
    figure = go.Figure()
    best = data[~data["best so far"].map(missing)]
    line = {"color": theme.INK, "width": 1.5, "shape": "hv"}
    figure.add_scatter(x=column(best, "trial"), y=column(best, "best so far"), mode="lines", line=line)
    figure.data[0].update(name="best so far", hoverinfo="skip")
    for group, rows in _groups(data):
        figure.add_trace(_points(group, rows, "trial", "value", hover))
    return figure.update_layout(layout(400), xaxis=axis("trial", tickformat=",d"), yaxis=axis(plotly_text(words.axis)))


def draw_coordinates(data: pd.DataFrame, results: Results) -> go.Figure:
    """Parallel coordinates, turned so that the axes lie one below the other and long names fit."""
    named = set(data["setting"])
    dimensions = [dimension.key for dimension in results.study.space.dimensions]
    names = [name for name in (metric_row(results), *dimensions) if name in named]
    hover = hovers(results)
    height = {name: -place for place, name in enumerate(names)}
    marks = _axis_marks(data, results, names)
    drawn = data.assign(
        row=data["setting"].map(height),
        across=[
            None if missing(at) else at + _apart(number, marks[name])
            for number, name, at in zip(data["trial"], data["setting"], data["position"], strict=True)
        ],
    )
    figure = go.Figure()
    for group, rows in _groups(drawn):
        mark, loud = MARKS[group], group != COMPLETE
        colour = mark.colour if loud else theme.GREY
        trace = _gapped(rows, "across", "row", hover)
        trace.update(name=group if group != COMPLETE else "other completed", mode="lines+markers")
        trace.update(line={"color": colour, "width": {BEST: 3.5, UPPER: 1.8}.get(group, 1)}, opacity=1 if loud else 0.5)
        marker = {"color": colour, "size": 9 if group == BEST else 5, "symbol": mark.symbol}
        figure.add_trace(trace.update(marker=marker))
    figure.update_layout(
        layout(90 + ROW_PX * len(names)),
        xaxis={"visible": False, "range": [-0.06, 1.06], "fixedrange": True},
        yaxis={
            "tickvals": [height[name] for name in names],
            "ticktext": [plotly_text(name, 30) for name in names],
            "range": [-len(names) + 0.4, 0.4],
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
            "automargin": True,
        },
        shapes=[_rail(height[name]) for name in names],
        annotations=[_tick(at, height[name], text) for name in names for at, text in marks[name]],
    )
    return figure


def draw_importance(data: pd.DataFrame, results: Results) -> go.Figure:
    """The share of each setting by each method, with its whiskers; methods lie apart and differ in symbol."""
    figure = go.Figure()
    settings = list(dict.fromkeys(data["setting"]))
    methods = list(dict.fromkeys(data["method"]))
    for place, (method, mark) in enumerate(zip(methods, ARM_MARKS, strict=False)):
        rows = data[data["method"] == method]
        figures = rows.to_numpy()
        apart = (place - (len(methods) - 1) / 2) * 0.26
        figure.add_scatter(
            x=column(rows, "importance"),
            y=[settings.index(key) + apart for key in rows["setting"]],
            mode="markers",
            name=plotly_text(method.partition(" on ")[0], 40),
            marker={"color": mark.colour, "symbol": mark.symbol, "size": 11},
            error_x=whiskers(rows, "importance", mark.colour),
            hovertext=[
                f"{plotly_text(key)}<br>{mean:.2f} [{low:.2f}, {high:.2f}]" for _, key, mean, low, high in figures
            ],
            hoverinfo="text",
        )
    return figure.update_layout(
        layout(90 + 40 * len(settings)),
        showlegend=True,
        xaxis=axis("share of the explained variance", rangemode="tozero"),
        yaxis={
            "tickvals": [*range(len(settings))],
            "ticktext": [plotly_text(key, 30) for key in settings],
            "range": [len(settings) - 0.5, -0.5],
            "gridcolor": theme.GRID,
            "zeroline": False,
            "automargin": True,
        },
    )


def draw_survivors(data: pd.DataFrame, results: Results) -> go.Figure:
    """How many trials reached each epoch, with the rungs at which they were judged."""
    figure = go.Figure()
    line = {"color": theme.BLUE, "width": 2.5, "shape": "vh"}
    figure.add_scatter(x=column(data, "epoch"), y=column(data, "reached"), mode="lines", line=line, fill="tozeroy")
    figure.data[0].update(name="trials that reached the epoch", fillcolor="rgba(0,114,178,0.12)", hoverinfo="x+y")
    rungs = data[data["rung"].astype(bool)]
    figure.add_scatter(x=column(rungs, "epoch"), y=column(rungs, "reached"), mode="markers", name="rung")
    if len(rungs) <= MOST_LABELS:
        figure.data[1].update(mode="markers+text")
    figure.data[1].update(
        marker={"symbol": "diamond", "size": 11, "color": theme.VERMILLION},
        text=[f"{reached:,}" for reached in rungs["reached"]],
        textposition="top center",
        cliponaxis=False,
        hovertext=[f"rung at epoch {row[0]}<br>reached by {row[1]}, stopped here {row[2]}" for row in rungs.to_numpy()],
        hoverinfo="text",
    )
    return figure.update_layout(
        layout(340),
        xaxis=epoch_axis(int(data["epoch"].max())),
        yaxis=axis("trials", rangemode="tozero", tickformat=",d"),
    )


def draw_timeline(data: pd.DataFrame, results: Results) -> go.Figure:
    """One bar per trial from its start to its finish."""
    hover = hovers(results)
    span = data["finish"].max()
    unit, factor = ("hours", 1 / 60) if span > 180 else ("minutes", 1.0) if span > 3 else ("seconds", 60.0)
    figure = go.Figure()
    ends = data.melt(id_vars=["trial", "group"], value_vars=["start", "finish"], value_name="moment")
    ends = ends.assign(moment=ends["moment"] * factor).sort_values(["trial", "moment"], kind="stable")
    for group, rows in _groups(ends):
        mark = MARKS[group]
        trace = _gapped(rows, "moment", "trial", hover)
        trace.update(name=_name(group), mode="lines+markers", line={"color": mark.colour, "width": 4})
        symbols = ["line-ns-open", mark.symbol, "circle"] * rows["trial"].nunique()
        figure.add_trace(trace.update(marker={"color": mark.colour, "symbol": symbols, "size": mark.size}))
    return figure.update_layout(
        layout(min(900, 130 + 16 * len(data))),
        xaxis=axis(f"{unit} since the first trial began", rangemode="tozero"),
        yaxis=axis("trial", autorange="reversed", tickformat=",d"),
    )


def hovers(results: Results) -> dict[int, str]:
    """What a figure says of each trial under the pointer."""
    words = measure(results.study.metric)
    return {trial.number: _hover(trial, words) for trial in results.trials}


def limits(results: Results, quantity: str) -> list[int | float]:
    """The upper limits that the study sets to a quantity."""
    return [limit.limit for limit in results.study.constraints if limit.quantity == quantity]


def _hover(trial: Trial, words: MetricFormat) -> str:
    lines = [f"trial {trial.number} ({trial.status.value.replace('_', ' ')})"]
    value = last_value(trial)
    if value is not None:
        lines.append(f"{words.label} {words.show(value)}, epoch {trial.epochs}")
    lines += [f"{key}: {setting(at)}" for key, at in list(trial.parameters.items())[:12]]
    lines += [f"{trial.cost['parameters']:,} parameters"] if "parameters" in trial.cost else []
    lines += [trial.reason] if trial.reason else []
    return "<br>".join(plotly_text(line, 70) for line in lines)


def _groups(data: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(group, data[data["group"] == group]) for group in ORDER if (data["group"] == group).any()]


def _points(group: str, rows: pd.DataFrame, x: str, y: str, hover: Mapping[int, str]) -> go.Scatter:
    mark = MARKS[group]
    # Thin symbols consist of their outline alone.
    outline = {"color": mark.colour, "width": 2 if "open" in mark.symbol else 0}
    return go.Scatter(
        x=column(rows, x),
        y=column(rows, y),
        mode="markers",
        name=_name(group),
        marker={"color": mark.colour, "symbol": mark.symbol, "size": mark.size, "line": outline},
        hovertext=[hover[number] for number in rows["trial"]],
        hoverinfo="text",
    )


def _gapped(rows: pd.DataFrame, x: str, y: str, hover: Mapping[int, str]) -> go.Scatter:
    """One trace for many lines, one per trial, with a gap after each: a thousand traces would be slow.

    The rows of a trial follow each other.
    """
    across: list[Any] = []
    up: list[Any] = []
    texts: list[str] = []
    points = zip(rows["trial"], column(rows, x), column(rows, y), strict=True)
    for number, line in groupby(points, key=itemgetter(0)):
        for _, right, height in line:
            across.append(right)
            up.append(height)
        across.append(None)
        up.append(None)
        texts += [hover[int(number)]] * (len(across) - len(texts))
    return go.Scatter(x=across, y=up, hovertext=texts, hoverinfo="text", connectgaps=False)


def _name(group: str) -> str:
    return group.replace("_", " ")


def _axis_marks(data: pd.DataFrame, results: Results, names: Sequence[str]) -> dict[str, list[tuple[float, str]]]:
    """The labelled positions of every axis by its name; the metric's are its extremes."""
    words = measure(results.study.metric)
    values = [value for value in data["value"] if not missing(value)]
    ends = [(0.0, min(values)), (1.0, max(values))] if min(values) < max(values) else [(0.5, values[0])]
    marks = {dimension.key: ticks(dimension) for dimension in results.study.space.dimensions}
    return {name: marks.get(name, []) for name in names} | {
        metric_row(results): [(at, words.show(value)) for at, value in ends]
    }


def _apart(number: int, marks: Sequence[tuple[float, str]]) -> float:
    """A small step aside so that lines through one choice do not hide each other; none on a range's axis."""
    if not marks or marks[0][0] == 0.0:
        return 0.0
    return ((number * 0.618034) % 1 - 0.5) * 0.4 / len(marks)


def _rail(row: float) -> dict[str, Any]:
    rail = {"color": theme.GREY, "width": 1}
    return {"type": "line", "x0": 0, "x1": 1, "y0": row, "y1": row, "line": rail, "layer": "below"}


def _tick(at: float, row: float, text: str) -> dict[str, Any]:
    font = {"size": 11, "color": theme.MUTED}
    label = plotly_text(text, 18)
    place = {"x": at, "y": row, "yshift": -15, "showarrow": False}
    return {**place, "text": label, "font": font, "bgcolor": theme.PAPER, "borderpad": 0, "opacity": 0.9}
