"""Draw the figures of the decisions from the data of `data`."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sweeps.formatting import status_name
from sweeps.io.escape import plotly_text
from sweeps.report.data import ReportData
from sweeps.report.figures import theme
from sweeps.report.figures.base import by_group, column, lines, whiskers
from sweeps.report.figures.decisions.data import END, FIRST, LAST, NOT_PROMOTED, PAUSED
from sweeps.report.figures.search_data import BEST
from sweeps.report.figures.theme import MARKS, Mark, axis, count_axis, layout

# The ends and beginnings of steps that are marked: they differ in symbol as well.
EVENTS = {
    "promoted": Mark(theme.GREEN, "triangle-up", "solid", 8),
    "to the end": Mark(theme.PURPLE, "triangle-up-open", "solid", 9),
    PAUSED: Mark(theme.GREY, "circle-open", "solid", 6),
    NOT_PROMOTED: Mark(theme.GREY, "line-ew-open", "solid", 8),
    END: Mark(theme.BLUE, "circle", "solid", 9),
}
PREDICTIONS = {FIRST: Mark(theme.ORANGE, "diamond-open", "dash", 9), LAST: Mark(theme.BLUE, "circle", "solid", 8)}
FEW_RUNGS = 12


def draw_ladder(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw the epochs of each trial by decision: upwards where it is trained, level where it is paused."""
    figure = go.Figure()
    for group, trials in by_group(rows):
        mark = MARKS[group]
        trace = lines(trials, "decision", "epoch", data.hover_texts)
        figure.add_trace(trace.update(name=status_name(group), mode="lines", opacity=0.75))
        line = {"color": mark.colour, "width": 3.5 if group == BEST else 1.5, "dash": mark.dash}
        figure.data[-1].update(line=line, showlegend=False)
    for event, mark in EVENTS.items():
        marked = rows[rows["event"] == event]
        if len(marked):
            figure.add_trace(_events(event, marked, mark, data))
    rungs = sorted({int(epoch) for epoch in rows["epoch"]})
    ticks = {"tickvals": rungs} if len(rungs) <= FEW_RUNGS else {}
    return figure.update_layout(
        layout(420),
        showlegend=True,
        xaxis=count_axis("decision", rows["decision"].max()),
        yaxis=axis("epochs trained", rangemode="tozero", tickformat=",d", **ticks),
    )


def draw_predictions(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw the reached ends against the predicted ones with their 80 % intervals, beside the diagonal."""
    figure, words = go.Figure(), data.findings.metric_format
    low, high = (
        float(rows[["predicted", "low", "reached"]].min().min()),
        float(rows[["predicted", "high", "reached"]].max().max()),
    )
    figure.add_scatter(x=[low, high], y=[low, high], mode="lines", name="as predicted", hoverinfo="skip")
    figure.data[-1].update(line={"color": theme.GREY, "width": 1.5, "dash": "dash"})
    for made, mark in PREDICTIONS.items():
        some = rows[rows["prediction"] == made]
        if len(some):
            figure.add_trace(_predictions(made, some, mark, data))
    label = plotly_text(words.axis)
    return figure.update_layout(
        layout(440), showlegend=True, xaxis=axis(f"predicted end: {label}"), yaxis=axis(f"reached end: {label}")
    )


def _events(event: str, rows: pd.DataFrame, mark: Mark, data: ReportData) -> go.Scatter:
    outline = {"color": mark.colour, "width": 1.5 if "open" in mark.symbol else 0}
    return go.Scatter(
        x=column(rows, "decision"),
        y=column(rows, "epoch"),
        mode="markers",
        name=event,
        marker={"color": mark.colour, "symbol": mark.symbol, "size": mark.size, "line": outline},
        hovertext=[
            f"decision {row.decision}: {event} at epoch {row.epoch}<br>{data.hover_texts[row.trial]}"
            for row in rows.itertuples()
        ],
        hoverinfo="text",
    )


def _predictions(made: str, rows: pd.DataFrame, mark: Mark, data: ReportData) -> go.Scatter:
    show = data.findings.metric_format.show
    outline = {"color": mark.colour, "width": 1.5 if "open" in mark.symbol else 0}
    return go.Scatter(
        x=column(rows, "predicted"),
        y=column(rows, "reached"),
        mode="markers",
        name=f"predicted {made}",
        marker={"color": mark.colour, "symbol": mark.symbol, "size": mark.size, "line": outline},
        error_x=whiskers(rows, "predicted", mark.colour, 1, 3),
        hovertext=[
            f"trial {row.trial}, predicted {made}<br>{show(row.predicted)} [{show(row.low)}, {show(row.high)}], "
            f"reached {show(row.reached)}"
            for row in rows.itertuples()
        ],
        hoverinfo="text",
    )
