"""Lay out a figure with a line for each arm: together, or in a panel each where there are more arms than looks.

In a panel the first arm, which is the baseline of an ablation, is drawn in grey for comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, TypeAlias

import plotly.graph_objects as go

from sweeps.io.escape import one_line, plotly_text
from sweeps.report.figures import theme
from sweeps.report.figures.theme import ARM_MARKS, Mark, layout

COLUMNS, GAP = 3, 0.03
PLOT_PX, LINE_PX, GAP_PX = 150, 14, 14  # the heights of a panel, of a line of its title, and of the gap below
NAME, TITLE = 28, 16  # characters of a line of a legend and of a title: a phone has 100 pixels for a panel
MINE, FIRST = Mark(theme.BLUE, "circle", "solid"), Mark(theme.GREY, "circle-open", "solid")

# Draws the traces of an arm in a look, at its place among as many arms.
DrawArm: TypeAlias = Callable[[str, Mark, int, int], Sequence[go.Scatter]]


@dataclass(frozen=True)
class Cell:
    """The place of a panel in the grid.

    Attributes:
        row: Its row from the top.
        column: Its column from the left.
        rows: The number of rows.
        height: The height of a row with its titles in pixels.
    """

    row: int
    column: int
    rows: int
    height: int

    @property
    def across(self) -> list[float]:
        """The ends of the panel across the figure, from 0 to 1."""
        width = (1 - (COLUMNS - 1) * GAP) / COLUMNS
        left = self.column * (width + GAP)
        return [left, left + width]

    @property
    def up(self) -> list[float]:
        """The ends of the panel up the figure, from 0 to 1."""
        bottom = 1 - (self.row + 1) / self.rows
        return [bottom, bottom + PLOT_PX / (self.height * self.rows)]


def apart(arms: Sequence[str]) -> bool:
    """Return whether there are more arms than looks, so that each has a panel of its own."""
    return len(arms) > len(ARM_MARKS)


def explained(arms: Sequence[str]) -> str:
    """Return what a caption adds where each arm has a panel; empty otherwise."""
    return f" A panel for each arm. Grey, in every panel: {arms[0]}." if apart(arms) else ""


def draw_arms(
    arms: Sequence[str], draw: DrawArm, height: int, x: dict[str, Any], y: dict[str, Any], **changes: Any
) -> go.Figure:
    """Return a figure with the traces of every arm.

    Args:
        arms: The names of the arms in their order.
        draw: Draws the traces of an arm.
        height: The height of the figure in pixels where the arms are together.
        x: The horizontal axis.
        y: The vertical axis.
        changes: Further properties of the layout.
    """
    if apart(arms):
        return _in_panels(arms, draw, x, y)
    figure = go.Figure()
    for place, arm in enumerate(arms):
        figure.add_traces(draw(arm, ARM_MARKS[place], place, len(arms)))
    return figure.update_layout(layout(height, **changes), showlegend=True, xaxis=x, yaxis=y)


def legend_name(arm: str) -> str:
    """Return the whole name of an arm for a legend, broken into lines."""
    return _broken(arm, NAME)


def _broken(arm: str, width: int) -> str:
    return "<br>".join(plotly_text(line) for line in wrap(one_line(arm), width)) or plotly_text(arm)


def _in_panels(arms: Sequence[str], draw: DrawArm, x: dict[str, Any], y: dict[str, Any]) -> go.Figure:
    figure, rows = go.Figure(), -(-(len(arms) - 1) // COLUMNS)
    lines = max(len(wrap(arm, TITLE)) for arm in arms)
    height = PLOT_PX + LINE_PX * lines + GAP_PX
    figure.update_layout(layout(100 + height * rows), showlegend=True)
    for place, arm in enumerate(arms[1:]):
        name = str(place + 1) if place else ""
        cell = Cell(place // COLUMNS, place % COLUMNS, rows, height)
        mine = [trace.update(name="the panel's arm") for trace in draw(arm, MINE, 1, 2)]
        for trace in (*draw(arms[0], FIRST, 0, 2), *mine):
            in_legend = not place and trace.showlegend is not False
            figure.add_trace(trace.update(xaxis=f"x{name}", yaxis=f"y{name}", showlegend=in_legend, legendgroup=None))
        lowest = place + COLUMNS >= len(arms) - 1
        figure.update_layout({f"xaxis{name}": _across(x, name, cell, lowest), f"yaxis{name}": _up(y, name, cell)})
        figure.add_annotation(_title(arm, cell))
    return figure


def _across(axis: dict[str, Any], name: str, cell: Cell, lowest: bool) -> dict[str, Any]:
    """The horizontal axis of a panel, labelled where no other lies below it."""
    quiet = {} if lowest else {"title": {"text": ""}}
    shared = {"matches": "x"} if name else {}
    return {**axis, **quiet, **shared, "domain": cell.across, "anchor": f"y{name}", "showticklabels": lowest}


def _up(axis: dict[str, Any], name: str, cell: Cell) -> dict[str, Any]:
    """The vertical axis of a panel, labelled at the left edge of the figure; its title stands once, in the middle."""
    titled = not cell.column and cell.row == (cell.rows - 1) // 2
    quiet = {} if titled else {"title": {"text": ""}}
    shared = {"matches": "y"} if name else {}
    place = {"domain": cell.up, "anchor": f"x{name}", "showticklabels": not cell.column, "nticks": 4}
    return {**axis, **quiet, **shared, **place}


def _title(arm: str, cell: Cell) -> dict[str, Any]:
    place = {"x": sum(cell.across) / 2, "y": cell.up[1], "xref": "paper", "yref": "paper"}
    look = {"font": {"size": 11, "color": theme.INK}, "showarrow": False, "xanchor": "center", "yanchor": "bottom"}
    return {**place, **look, "text": _broken(arm, TITLE)}
