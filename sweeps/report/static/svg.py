"""Draw small pictures for a report in git: plain SVG without scripts, in the light colours on white."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from sweeps.formatting import MetricFormat
from sweeps.io.escape import one_line
from sweeps.report.figures import theme
from sweeps.report.figures.evidence_data import imputed_ends, waterfall_range
from sweeps.report.tables.frames import missing
from sweeps.report.tables.interval import probability
from sweeps.stats import ALPHA
from sweeps.trial.arm import BASELINE

WIDTH, LABEL, RIGHT, ROW = 760, 210, 190, 34
HEIGHT = 330
MOST_ARMS, MOST_LINES = 24, 400  # a picture in git stays small; the page shows them all
TICKS = 6
UP, DOWN = theme.BLUE, theme.VERMILLION


@dataclass
class Canvas:
    """A picture in progress: shapes in pixels, with the origin at the top left."""

    width: int
    height: int
    title: str
    shapes: list[str] = field(default_factory=list)

    def line(self, ends: tuple[float, float, float, float], colour: str, width: float = 1.0, dash: str = "") -> None:
        """Add a line with the ends (x, y, x, y)."""
        x, y, to_x, to_y = ends
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        at = f'x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"'
        self.shapes.append(f'<line {at} stroke="{colour}" stroke-width="{width}"{dashed}/>')

    def box(self, at: tuple[float, float], size: tuple[float, float], colour: str, opacity: float = 1.0) -> None:
        """Add a filled rectangle with its upper left corner at `at`."""
        place = f'x="{at[0]:.1f}" y="{at[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}"'
        self.shapes.append(f'<rect {place} fill="{colour}" fill-opacity="{opacity}"/>')

    def dot(self, x: float, y: float, colour: str, filled: bool = True, radius: float = 5) -> None:
        """Add a circle, filled or open."""
        inside = colour if filled else theme.PAPER
        place = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius}"'
        self.shapes.append(f'<circle {place} fill="{inside}" stroke="{colour}" stroke-width="2"/>')

    def text(
        self, at: tuple[float, float], words: str, anchor: str = "start", colour: str = theme.INK, longest: int = 40
    ) -> None:
        """Add a line of text, cut at `longest` characters."""
        line = one_line(words)
        short = html.escape(line if len(line) <= longest else f"{line[: longest - 1]}…")
        self.shapes.append(
            f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}" fill="{colour}">{short}</text>'
        )

    def svg(self) -> str:
        """Return the document."""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        font = 'font-family="system-ui, sans-serif" font-size="13"'
        named = f'role="img"><title>{html.escape(one_line(self.title))}</title>'
        paper = f'<rect width="100%" height="100%" fill="{theme.PAPER}"/>'
        return "\n".join(
            [f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font} {named}', paper, *self.shapes, "</svg>", ""]
        )


@dataclass(frozen=True)
class Scale:
    """A linear scale that maps the values from `low` to `high` to the pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round values inside the range, about `TICKS` of them at most."""
        rough = (self.high - self.low) / TICKS
        power = 10 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first = math.ceil(self.low / step)
        # Rounded, so that 3 * 0.1 is written as 0.3.
        return [round(place * step, 12) for place in range(first, math.floor(self.high / step) + 1)]


def forest(data: pd.DataFrame, words: MetricFormat, margin: float | None, title: str) -> str:
    """Return a forest plot: differences with both intervals, filled where Holm's p is below 0.05.

    The interval by which the equivalence test decides lies below each row, in the colour of the margin.

    Args:
        data: The data of `evidence_data.differences`.
        words: The format of the metric.
        margin: The largest difference that does not matter, in the metric's units; it is shaded.
        title: The title for screen readers.
    """
    rows = data.head(MOST_ARMS).to_dict("records")
    # The scale holds every interval, so that no whisker leaves the picture.
    shown = [f"{kind}{end}" for kind in ("", "simultaneous ", "equivalence ") for end in ("low", "high")]
    ends = [row[name] for row in rows for name in ("difference", *shown)]
    around = [0.0, margin or 0.0, -(margin or 0.0)]  # always shown
    scale = _scale([*(end for end in ends if not missing(end)), *around], LABEL, WIDTH - RIGHT)
    bottom = 24 + ROW * len(rows)
    canvas = Canvas(WIDTH, bottom + 52, title)
    if margin is not None:
        canvas.box((scale.at(-margin), 12), (scale.at(margin) - scale.at(-margin), bottom - 12), theme.GREEN, 0.14)
    _across(canvas, scale, bottom)
    canvas.line((scale.at(0), 12, scale.at(0), bottom), theme.INK, 1.2)
    for place, row in enumerate(rows):
        _forest_row(canvas, scale, 24 + ROW * (place + 0.5), row, words)
    unit = f"difference in {words.label}{' (pp)' if words.unit else ''}"
    canvas.text(((LABEL + WIDTH - RIGHT) / 2, bottom + 42), unit, "middle", theme.MUTED, 70)
    return canvas.svg()


def paired_seeds(data: pd.DataFrame, words: MetricFormat, title: str) -> str:
    """Return one line per seed from the reference (open) to each arm (filled), from `evidence_data.pairs`.

    A cross is a run that diverged, which counts at chance level.
    """
    arms = list(dict.fromkeys(data["arm"]))[:MOST_ARMS]
    rows = [row for row in data.to_dict("records") if row["arm"] in arms][:MOST_LINES]
    scale = _scale([row[name] for row in rows for name in ("reference", "value")], HEIGHT - 52, 18)
    canvas = Canvas(WIDTH, HEIGHT, title)
    _upwards(canvas, scale, words)
    step = (WIDTH - 90) / len(arms)
    for row in rows:
        middle = 74 + step * (arms.index(row["arm"]) + 0.5)
        left, right = middle - step * 0.26, middle + step * 0.26
        up = row["value"] > row["reference"]
        colour = UP if up else DOWN
        canvas.line((left, scale.at(row["reference"]), right, scale.at(row["value"])), colour, 1.5, "" if up else "5 3")
        for x, name, at_chance in zip((left, right), ("reference", "value"), imputed_ends(row), strict=True):
            if at_chance:
                canvas.text((x, scale.at(row[name]) + 5), "×", "middle", colour)
            else:
                canvas.dot(x, scale.at(row[name]), colour, filled=name == "value", radius=3.5)
    _names(canvas, arms, step)
    return canvas.svg()


def waterfall(data: pd.DataFrame, words: MetricFormat, title: str) -> str:
    """Return a waterfall from `evidence_data.path`: the baseline, each step from where the last one ended, the end."""
    rows = data.head(MOST_ARMS).to_dict("records")
    floor, top = waterfall_range(data, words)
    scale = Scale(floor, top, HEIGHT - 52, 18)
    canvas = Canvas(WIDTH, HEIGHT, title)
    _upwards(canvas, scale, words)
    step = (WIDTH - 90) / (len(rows) + 2)
    ends = {0: rows[0]["from"], len(rows) + 1: rows[-1]["to"]}
    for place, value in ends.items():
        corner = (74 + step * (place + 0.5) - step * 0.28, scale.at(value))
        canvas.box(corner, (step * 0.56, scale.at(floor) - scale.at(value)), theme.GREY)
        canvas.text((corner[0] + step * 0.28, corner[1] - 5), words.show(value), "middle")
    level = scale.at(rows[0]["from"])
    canvas.line((74 + step * 0.78, level, 74 + step * 1.22, level), theme.GREY, 1, "2 3")
    for place, row in enumerate(rows, start=1):
        middle, top = 74 + step * (place + 0.5), min(scale.at(row["from"]), scale.at(row["to"]))
        # A step without a difference is drawn as a line of one pixel.
        height = max(1.0, abs(scale.at(row["from"]) - scale.at(row["to"])))
        canvas.box((middle - step * 0.28, top), (step * 0.56, height), UP if row["difference"] > 0 else DOWN)
        low, high = (min(scale.high, max(scale.low, end)) for end in _whisker(row))
        canvas.line((middle, scale.at(low), middle, scale.at(high)), theme.INK, 2)
        canvas.text((middle + 6, top - 5), words.difference(row["difference"]))
        level = scale.at(row["to"])
        canvas.line((middle + step * 0.28, level, middle + step * 0.72, level), theme.GREY, 1, "2 3")
    _names(canvas, [BASELINE, *(row["step"] for row in rows), "incumbent"], step)
    return canvas.svg()


def _whisker(row: Mapping[Any, Any]) -> tuple[float, float]:
    """The ends of a step's interval, where the step ends; both at the end of the bar for a step without one."""
    if missing(row["low"]):
        return row["to"], row["to"]
    return row["from"] + row["low"], row["from"] + row["high"]


def _forest_row(canvas: Canvas, scale: Scale, y: float, row: Mapping[Any, Any], words: MetricFormat) -> None:
    clear = not missing(row["Holm p"]) and row["Holm p"] < ALPHA
    colour = (UP if row["difference"] > 0 else DOWN) if clear else theme.INK
    if not missing(row["simultaneous low"]):
        canvas.line((scale.at(row["simultaneous low"]), y, scale.at(row["simultaneous high"]), y), theme.GREY, 1.3)
    if not missing(row["low"]):
        canvas.line((scale.at(row["low"]), y, scale.at(row["high"]), y), theme.GREY, 4.5)
    if not missing(row["equivalence low"]):
        below = y + 9
        canvas.line((scale.at(row["equivalence low"]), below, scale.at(row["equivalence high"]), below), theme.GREEN, 3)
    canvas.dot(scale.at(row["difference"]), y, colour, filled=clear)
    canvas.text((LABEL - 12, y + 4), row["arm"], "end", longest=29)
    result = f"{words.difference(row['difference'])}, Holm p {probability(row['Holm p'])}"
    canvas.text((WIDTH - RIGHT + 12, y + 4), result, longest=30)


def _scale(values: Sequence[float], start: float, end: float) -> Scale:
    low, high = min(values), max(values)
    # Equal values have no range, and 0 has no size: either would give a scale of length 0.
    room = (high - low or abs(high) or 1.0) * 0.06
    return Scale(low - room, high + room, start, end)


def _across(canvas: Canvas, scale: Scale, bottom: float) -> None:
    """Add the grid of a horizontal scale."""
    for value in scale.ticks():
        canvas.line((scale.at(value), 12, scale.at(value), bottom), theme.GRID)
        canvas.text((scale.at(value), bottom + 20), f"{value:g}", "middle", theme.MUTED)


def _upwards(canvas: Canvas, scale: Scale, words: MetricFormat) -> None:
    """Add the grid of a vertical scale, with the metric as its title."""
    for value in scale.ticks():
        canvas.line((74, scale.at(value), WIDTH - 16, scale.at(value)), theme.GRID)
        canvas.text((66, scale.at(value) + 4), f"{value:g}", "end", theme.MUTED)
    canvas.text((8, 14), words.axis, colour=theme.MUTED, longest=60)


def _names(canvas: Canvas, names: Sequence[str], step: float) -> None:
    for place, name in enumerate(names):
        room = max(4, int(step / 7))
        canvas.text((74 + step * (place + 0.5), HEIGHT - 28), name, "middle", longest=room)
