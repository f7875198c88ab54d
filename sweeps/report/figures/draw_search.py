"""Draw the figures of the search from the data of `search_data`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from sweeps.formatting import status_name
from sweeps.io.escape import plotly_text
from sweeps.report.data import ReportData
from sweeps.report.figures import theme
from sweeps.report.figures.base import by_group, column, lines, points, two_lines, whiskers
from sweeps.report.figures.search_data import BEST, COMPLETE, REJECTED, UPPER, metric_row, ticks
from sweeps.report.figures.theme import ARM_MARKS, MARKS, Mark, axis, count_axis, layout, log_axis
from sweeps.report.tables.frames import missing
from sweeps.storage.results import Results
from sweeps.trial.arm import BASELINE

ROW_PX = 64
MOST_LABELS = 12
MARKERS_UP_TO = 400  # rows of a group; more are drawn as lines without markers
# A step in the golden ratio: trials of neighbouring numbers never get neighbouring places.
GOLDEN_RATIO = 0.618034


def draw_pareto_front(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw the metric against the number of parameters, with the budget; rejected trials in a strip at the top."""
    words, texts = data.findings.metric_format, data.hover_texts
    figure = go.Figure()
    front = rows[rows["front"].astype(bool)].sort_values("parameters")
    line = {"color": theme.GREEN, "width": 2, "dash": "dash"}
    figure.add_scatter(x=column(front, "parameters"), y=column(front, "value"), mode="lines+markers", line=line)
    ring = {"symbol": "circle-open", "size": 19, "line": {"width": 1.5}}
    figure.data[0].update(name="Pareto front", hoverinfo="skip", marker=ring)
    for group, trials in by_group(rows[rows["group"] != REJECTED]):
        figure.add_trace(points(group, trials, "parameters", "value", texts))
    # Rejected trials have no metric; they stand in a strip with an axis of its own.
    rejected = rows[rows["group"] == REJECTED].assign(value=0.0)
    if len(rejected):
        figure.add_trace(points(REJECTED, rejected, "parameters", "value", texts).update(yaxis="y2"))
    low, high, budget = rows["parameters"].min(), rows["parameters"].max(), limits(data.results, "parameters")
    log = low > 0 and high > 10 * low
    # They are whole numbers. The axis reaches to the budget: marks one apart are too many where that is far.
    few = max([high, *budget]) - min([low, *budget]) < 10
    sizes = axis("parameters", tickformat=",d" if few else "~s", **({"dtick": 1} if few else {}))
    figure.update_layout(
        layout(440),
        showlegend=True,
        xaxis=log_axis("parameters (log scale)", low, high) if log else sizes,
        yaxis=axis(plotly_text(words.axis), domain=[0, 0.9] if len(rejected) else [0, 1]),
        yaxis2={"domain": [0.94, 1], "visible": False, "range": [-1, 1], "fixedrange": True},
    )
    for limit in budget:
        figure.add_vline(x=limit, line={"color": theme.INK, "width": 1.5, "dash": "dot"})
    return figure


def draw_learning_curves(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw the metric by epoch, a line per trial."""
    figure = go.Figure()
    for group, trials in by_group(rows):
        mark = MARKS[group]
        trace = lines(trials, "epoch", "value", data.hover_texts)
        line = {"color": mark.colour, "width": 3 if group == BEST else 1.4, "dash": mark.dash}
        small = {
            "symbol": mark.symbol,
            "color": mark.colour,
            "size": 6 if group == BEST or "open" in mark.symbol else 4,
        }
        mode = "lines+markers" if len(trials) <= MARKERS_UP_TO else "lines"
        trace.update(name=status_name(group), mode=mode, line=line, marker=small)
        figure.add_trace(trace.update(opacity=1.0 if group in (BEST, BASELINE) else 0.75))
    title = plotly_text(data.findings.metric_format.axis)
    return figure.update_layout(
        layout(420), showlegend=True, xaxis=count_axis("epoch", int(rows["epoch"].max())), yaxis=axis(title)
    )


def draw_history(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw the last value of each trial by number, and the best value so far."""
    figure = go.Figure()
    best = rows[~rows["best so far"].map(missing)]
    if len(best):
        line = {"color": theme.INK, "width": 1.5, "shape": "hv"}
        figure.add_scatter(x=column(best, "trial"), y=column(best, "best so far"), mode="lines", line=line)
        figure.data[0].update(name="best so far", hoverinfo="skip")
    for group, trials in by_group(rows):
        figure.add_trace(points(group, trials, "trial", "value", data.hover_texts))
    return figure.update_layout(
        layout(400),
        showlegend=True,
        xaxis=count_axis("trial", rows["trial"].max()),
        yaxis=axis(plotly_text(data.findings.metric_format.axis)),
    )


def draw_parallel_coordinates(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw parallel coordinates, turned so that the axes lie one below the other and long names have room."""
    present = set(rows["setting"])
    dimensions = [dimension.key for dimension in data.results.study.space.dimensions]
    names = [name for name in (metric_row(data.results), *dimensions) if name in present]
    height = {name: -place for place, name in enumerate(names)}
    marks = _axis_marks(rows, data, names)
    figure = go.Figure()
    for group, trials in by_group(_placed(rows, height, marks)):
        figure.add_trace(_coordinate_lines(group, trials, data))
    figure.update_layout(
        layout(90 + ROW_PX * len(names)),
        showlegend=True,
        xaxis={"visible": False, "range": [-0.06, 1.06], "fixedrange": True},
        yaxis={
            "tickvals": [height[name] for name in names],
            "ticktext": [two_lines(name) for name in names],
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


def draw_importance(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw the share of each setting by each method with its interval; methods lie apart and differ in symbol."""
    figure = go.Figure()
    settings = list(dict.fromkeys(rows["setting"]))
    methods = list(dict.fromkeys(rows["method"]))
    for place, (method, mark) in enumerate(zip(methods, ARM_MARKS, strict=False)):
        apart = (place - (len(methods) - 1) / 2) * 0.26
        shares = rows[rows["method"] == method]
        figure.add_trace(_shares(method, shares, [settings.index(key) + apart for key in shares["setting"]], mark))
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


def draw_rungs(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw how many trials reached each epoch, with the rungs at which they were judged."""
    figure = go.Figure()
    line = {"color": theme.BLUE, "width": 2.5, "shape": "vh"}
    figure.add_scatter(x=column(rows, "epoch"), y=column(rows, "reached"), mode="lines", line=line, fill="tozeroy")
    figure.data[0].update(name="trials that reached the epoch", fillcolor="rgba(0,114,178,0.12)", hoverinfo="x+y")
    rungs = rows[rows["rung"].astype(bool)]
    figure.add_scatter(x=column(rungs, "epoch"), y=column(rungs, "reached"), mode="markers", name="rung")
    if len(rungs) <= MOST_LABELS:
        figure.data[1].update(mode="markers+text")
    figure.data[1].update(
        marker={"symbol": "diamond", "size": 11, "color": theme.VERMILLION},
        text=[f"{reached:,}" for reached in rungs["reached"]],
        textposition="top center",
        cliponaxis=False,
        hovertext=[f"rung at epoch {row[0]}<br>reached by {row[1]}, pruned here {row[2]}" for row in rungs.to_numpy()],
        hoverinfo="text",
    )
    return figure.update_layout(
        layout(340),
        xaxis=count_axis("epoch", int(rows["epoch"].max())),
        yaxis=count_axis("trials", rows["reached"].max(), rangemode="tozero"),
    )


def draw_timeline(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw one bar per trial from its start to its finish."""
    span = rows["finish"].max()
    unit, factor = ("hours", 1 / 60) if span > 180 else ("minutes", 1.0) if span > 3 else ("seconds", 60.0)
    figure = go.Figure()
    ends = rows.melt(id_vars=["trial", "group"], value_vars=["start", "finish"], value_name="moment")
    ends = ends.assign(moment=ends["moment"] * factor).sort_values(["trial", "moment"], kind="stable")
    for group, trials in by_group(ends):
        # The symbols repeat for each trial: its start, its finish, and the gap after it.
        mark = MARKS[group]
        trace = lines(trials, "moment", "trial", data.hover_texts)
        trace.update(name=status_name(group), mode="lines+markers", line={"color": mark.colour, "width": 4})
        symbols = ["line-ns-open", mark.symbol, "circle"] * trials["trial"].nunique()
        figure.add_trace(trace.update(marker={"color": mark.colour, "symbol": symbols, "size": mark.size}))
    return figure.update_layout(
        layout(min(900, 130 + 16 * len(rows))),
        showlegend=True,
        xaxis=axis(f"{unit} since the first trial began", rangemode="tozero"),
        yaxis=count_axis("trial", rows["trial"].max(), autorange="reversed"),
    )


def limits(results: Results, quantity: str) -> list[int | float]:
    """Return the upper limits of the study on a quantity such as parameters."""
    return [limit.limit for limit in results.study.constraints if limit.quantity == quantity]


def _axis_marks(rows: pd.DataFrame, data: ReportData, names: Sequence[str]) -> dict[str, list[tuple[float, str]]]:
    """The labelled positions of every axis by its name; those of the metric are its extremes."""
    values = [value for value in rows["value"] if not missing(value)]
    ends = [(0.0, min(values)), (1.0, max(values))] if min(values) < max(values) else [(0.5, values[0])]
    marks = {dimension.key: ticks(dimension) for dimension in data.results.study.space.dimensions}
    return {name: marks.get(name, []) for name in names} | {
        metric_row(data.results): [(at, data.findings.metric_format.show(value)) for at, value in ends]
    }


def _placed(rows: pd.DataFrame, height: dict[str, int], marks: dict[str, list[tuple[float, str]]]) -> pd.DataFrame:
    """The rows with their places: `row` down the figure, and `across` on their axis."""
    return rows.assign(
        row=rows["setting"].map(height),
        across=[
            None if missing(at) else at + _offset(number, marks[name])
            for number, name, at in zip(rows["trial"], rows["setting"], rows["position"], strict=True)
        ],
    )


def _offset(number: int, marks: Sequence[tuple[float, str]]) -> float:
    """A small offset, so that lines through the same choice do not hide each other; none on a range's axis."""
    if not marks or marks[0][0] == 0.0:
        return 0.0
    return ((number * GOLDEN_RATIO) % 1 - 0.5) * 0.4 / len(marks)


def _coordinate_lines(group: str, trials: pd.DataFrame, data: ReportData) -> go.Scatter:
    """The lines of a group; those of no special group are grey, so that the others stand out."""
    mark, loud = MARKS[group], group != COMPLETE
    colour = mark.colour if loud else theme.GREY
    trace = lines(trials, "across", "row", data.hover_texts)
    trace.update(name=group if loud else "other completed", mode="lines+markers")
    trace.update(line={"color": colour, "width": {BEST: 3.5, UPPER: 1.8}.get(group, 1)}, opacity=1 if loud else 0.5)
    return trace.update(marker={"color": colour, "size": 9 if group == BEST else 5, "symbol": mark.symbol})


def _rail(row: float) -> dict[str, Any]:
    """The line of an axis."""
    rail = {"color": theme.GREY, "width": 1}
    return {"type": "line", "x0": 0, "x1": 1, "y0": row, "y1": row, "line": rail, "layer": "below"}


def _tick(at: float, row: float, text: str) -> dict[str, Any]:
    font = {"size": 11, "color": theme.MUTED}
    label = plotly_text(text, 18)
    place = {"x": at, "y": row, "yshift": -15, "showarrow": False}
    return {
        **place,
        "name": f"row {row:g}",
        "text": label,
        "font": font,
        "bgcolor": theme.PAPER,
        "borderpad": 0,
        "opacity": 0.9,
    }


def _shares(method: str, rows: pd.DataFrame, heights: list[float], mark: Mark) -> go.Scatter:
    """The shares of one method, each at the height of its setting."""
    return go.Scatter(
        x=column(rows, "importance"),
        y=heights,
        mode="markers",
        name=plotly_text(method.partition(" on ")[0], 40),
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 11},
        error_x=whiskers(rows, "importance", mark.colour),
        hovertext=[
            f"{plotly_text(key)}<br>{mean:.2f} [{low:.2f}, {high:.2f}]" for _, key, mean, low, high in rows.to_numpy()
        ],
        hoverinfo="text",
    )
