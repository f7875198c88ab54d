"""Draw the figures of the classes: the accuracy of each, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from sweeps.io.escape import plotly_text
from sweeps.report.data import ReportData
from sweeps.report.figures import theme
from sweeps.report.figures.base import column, whiskers
from sweeps.report.figures.theme import axis, colour_bar, layout

ROW_PX, CELL_PX, MOST_PX = 22, 36, 900
NUMBERED = 20  # of more classes the cells have no room for numbers
LABEL = 24  # characters
LABELLED = 60  # of more classes the names have no room beside the matrix, and appear under the pointer alone


def draw_per_class(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw the accuracy of each class with its interval, in the order of the rows from the top."""
    rows = rows.rename(columns={"accuracy low": "low", "accuracy high": "high"})
    names = _labels(list(rows["class"]))
    figure = go.Figure()
    figure.add_bar(
        y=names,
        x=column(rows, "accuracy"),
        orientation="h",
        marker={"color": theme.BLUE},
        error_x=whiskers(rows, "accuracy", theme.INK, 1.2, 3),
        hovertext=[
            f"{name}<br>{row.accuracy:.1f} % [{row.low:.1f}, {row.high:.1f}] of {row.images:,} images"
            for name, row in zip(names, rows.itertuples(), strict=True)
        ],
        hoverinfo="text",
    )
    return figure.update_layout(
        layout(100 + ROW_PX * len(rows)),
        xaxis=axis("accuracy (%)", range=[0, 101]),
        yaxis={**axis(""), "type": "category", "autorange": "reversed", "dtick": 1, "showgrid": False},
        bargap=0.35,
    )


def draw_confusion(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw the share of each true class (row) that was predicted as each class (column), in percent."""
    names = data.classes.confusion.names if data.classes else ()
    labels, shares = _labels(names), _matrix(names, rows)
    figure = go.Figure()
    figure.add_heatmap(
        x=labels,
        y=labels,
        z=shares,
        zmin=0,
        zmax=100,
        hoverongaps=False,
        hovertemplate="%{y} taken for %{x}: %{z:.1f} %<extra></extra>",
        colorscale=[list(step) for step in theme.SHARES],
        colorbar=colour_bar("% of the true class", 1, "bottom"),
    )
    if len(names) <= NUMBERED:
        text = [["" if share is None else _number(share) for share in row] for row in shares]
        figure.data[0].update(text=text, texttemplate="%{text}", textfont={"color": theme.INK})
    size = min(MOST_PX, 210 + CELL_PX * len(names))
    quiet = {"type": "category", "showgrid": False, "zeroline": False, "automargin": True, "ticks": ""}
    quiet |= {"dtick": 1, "showticklabels": len(names) <= LABELLED, "constrain": "domain"}
    title = {"font": {"color": theme.MUTED, "size": 12}}
    return figure.update_layout(
        layout(size),
        xaxis={**quiet, "title": {**title, "text": "predicted"}, "constraintoward": "left", **theme.UPRIGHT},
        yaxis={
            **quiet,
            "title": {**title, "text": "true class"},
            "autorange": "reversed",
            "scaleanchor": "x",  # square cells
            "constraintoward": "top",
        },
    )


def _matrix(names: Sequence[str], rows: pd.DataFrame) -> list[list[float | None]]:
    """The shares as a matrix, with None for pairs that did not occur."""
    place = {name: index for index, name in enumerate(names)}
    shares: list[list[float | None]] = [[None] * len(names) for _ in names]
    for row in rows.itertuples():
        shares[place[row[1]]][place[row.predicted]] = round(row[4], 1)
    return shares


def _number(share: float) -> str:
    """A share in percent with two digits: 0.4, 3.1, 12, 100."""
    return f"{share:.1f}" if share < 9.95 else f"{share:.0f}"


def _labels(names: Sequence[str]) -> list[str]:
    """The names cut for a figure. Equal ones are numbered, because plotly would draw them as one category."""
    short = [plotly_text(name, LABEL) for name in names]
    return [text if short.count(text) == 1 else f"{text} ({place})" for place, text in enumerate(short)]
