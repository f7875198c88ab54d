"""The look of the figures. Colour-blind readers can distinguish the colours (Okabe and Ito)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sweeps.trial.arm import BASELINE

INK, MUTED, GRID, PAPER = "#1c2128", "#59636e", "#e4e7eb", "#ffffff"
GREY = "#8c959f"
# The step between the marks of whole numbers, and up to which number.
COUNTED = {1: 12, 2: 24, 5: 60}
MOST_LOG_MARKS = 7
BLUE, ORANGE, VERMILLION, GREEN, PURPLE, SKY = "#0072b2", "#e69f00", "#d55e00", "#009e73", "#b8578f", "#56b4e9"

# The colours of heat maps, which stay light (in dark mode: dark) enough for text in INK on all of them.
# Shares from 0 to 1: colours change fast near 0, because rare ones are what one looks for beside the common.
SHARES = ((0.0, PAPER), (0.02, "#e3eef8"), (0.1, "#b5d6f0"), (0.4, "#8cc4ec"), (1.0, "#5fb0e5"))
# Differences around 0.
DIFFERENCES = ((0.0, "#f2a072"), (0.25, "#f9d3bb"), (0.5, PAPER), (0.75, "#bcdcf4"), (1.0, "#74bbe9"))

# Figures are drawn in the light colours; page.js replaces them by these in dark mode.
DARK = {
    INK: "#e6eaef",
    MUTED: "#9ba5b0",
    GRID: "#2d343c",
    PAPER: "#14181d",
    GREY: "#77818c",
    BLUE: "#4aa8e8",
    VERMILLION: "#f58142",
    GREEN: "#2cc295",
    PURPLE: "#dd8fbc",
    **dict(zip((colour for _, colour in SHARES[1:]), ("#1a2937", "#1d3a55", "#1d4d75", "#1b6298"), strict=True)),
    **dict(zip((colour for _, colour in DIFFERENCES[:2]), ("#9c4310", "#552d18"), strict=True)),
    **dict(zip((colour for _, colour in DIFFERENCES[3:]), ("#1c3c57", "#1b6097"), strict=True)),
}

UPRIGHT = {
    "autotickangles": [0, 90]
}  # labels of a horizontal axis that lack room: plotly hides slanted ones at its end

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Mark:
    """The look of one group of trials, which differs from others in more than its colour."""

    colour: str
    symbol: str
    dash: str
    size: int = 8


MARKS: dict[str, Mark] = {
    "complete": Mark(BLUE, "circle", "solid"),
    "best quarter": Mark(BLUE, "circle", "solid"),
    "pruned": Mark(GREY, "circle-open", "solid", 7),
    "diverged": Mark(PURPLE, "x-thin-open", "dot", 9),
    "out_of_memory": Mark(ORANGE, "square-open", "dashdot"),
    "failed": Mark(INK, "cross-thin-open", "longdash", 9),
    "running": Mark(SKY, "triangle-right", "solid"),
    "paused": Mark(SKY, "square-open", "longdashdot"),
    "rejected": Mark(ORANGE, "line-ns-open", "dot", 10),
    BASELINE: Mark(GREEN, "diamond", "dash", 11),
    "best": Mark(VERMILLION, "star", "solid", 14),
}

# The looks of arms, which differ in symbol and dash as well. With more arms they repeat.
ARM_MARKS: tuple[Mark, ...] = (
    Mark(BLUE, "circle", "solid"),
    Mark(VERMILLION, "diamond", "dash"),
    Mark(GREEN, "square", "dot"),
    Mark(PURPLE, "triangle-up", "dashdot"),
    Mark(ORANGE, "cross", "longdash"),
    Mark(SKY, "triangle-down", "longdashdot"),
    Mark(INK, "star", "solid"),
    Mark(GREY, "hexagon", "dash"),
)


def axis(title: str, **changes: Any) -> dict[str, Any]:
    """Return an axis with a faint grid; `changes` are further properties."""
    quiet = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "ticks": "", "automargin": True}
    return {**quiet, "title": {"text": title, "standoff": 10, "font": {"color": MUTED, "size": 12}}, **changes}


def count_axis(title: str, last: float, **changes: Any) -> dict[str, Any]:
    """Return an axis of whole numbers up to `last`; `changes` are further properties.

    Plotly itself puts marks between few whole numbers. Up to `COUNTED` the step is therefore given; above it, plotly's
    own steps are whole. A mark between two numbers, after zooming in, is labelled as the fraction that it is.
    """
    step = next((step for step, most in COUNTED.items() if last <= most), None)
    return axis(title, tickformat=",.12~g", **({"dtick": step} if step else {}), **changes)


def log_axis(title: str, low: float, high: float) -> dict[str, Any]:
    """Return a logarithmic axis whose labels stand apart: 1, 2 and 5 of each decade, or only powers of 10 if many.

    Plotly's own labels of a decade collide with those between: 900 and 1k.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        marks = [factor * 10.0**decade for decade in decades for factor in factors]
        marks = [mark for mark in marks if 0.9 * low <= mark <= 1.1 * high]
        if len(marks) <= MOST_LOG_MARKS:
            break
    return axis(title, type="log", tickformat="~s", tickvals=marks)


def colour_bar(title: str, y: float, side: str) -> dict[str, Any]:
    """Return the legend of a heat map, which lies across it, because beside it a phone has no room.

    Args:
        title: What the colours stand for.
        y: Where it lies: 0 is the bottom of the heat map, 1 its top.
        side: The edge of the bar at `y`: "top" or "bottom".
    """
    place = {"orientation": "h", "x": 0, "xanchor": "left", "y": y, "yanchor": side, "ypad": 4, "xpad": 0}
    look = {"lenmode": "pixels", "len": 230, "thickness": 10, "outlinewidth": 0, "nticks": 5}
    return {**place, **look, "title": {"text": title, "side": "top", "font": {"color": MUTED, "size": 12}}}


def layout(height: int, **changes: Any) -> dict[str, Any]:
    """Return the layout of a figure `height` pixels high, with a transparent background; `changes` are properties."""
    return {
        "template": None,
        "height": height,
        "margin": {"l": 12, "r": 16, "t": 44, "b": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": INK},
        "hoverlabel": {"bgcolor": PAPER, "bordercolor": GREY, "align": "left", "font": {"color": INK, "size": 12}},
        "hovermode": "closest",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": INK},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        **changes,
    }
