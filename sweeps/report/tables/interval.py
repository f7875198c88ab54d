"""Cells with an interval, and how they and p-values become text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sweeps.evidence import Level
from sweeps.formatting import MISSING, MetricFormat, p_text, same_places
from sweeps.report.tables.frames import missing
from sweeps.stats import Estimate


@dataclass(frozen=True)
class Interval:
    """A cell of a table: a value with its interval, in the metric's units. `value` is None for an interval alone."""

    value: float | None
    low: float
    high: float

    @classmethod
    def of(cls, estimate: Estimate | None) -> Interval | float | None:
        """Return the mean and the interval of an estimate; the bare mean if it has no interval; None for None."""
        if estimate is None or not estimate.has_interval:
            return estimate.mean if estimate else None
        return cls(estimate.mean, estimate.low, estimate.high)


def spread(level: Level | None) -> Interval | float | None:
    """Return the mean of an arm with its interval; the bare mean of one or two runs; None without a run."""
    if level is None:
        return None
    return level.center if level.mean is None else Interval.of(level.mean)


def expanded(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with three columns for each column of intervals: NAME, NAME low, NAME high."""
    columns: dict[str, list[Any]] = {}
    for name in frame.columns:
        cells = list(frame[name])
        if not any(isinstance(cell, Interval) for cell in cells):
            columns[name] = cells
            continue
        if any(isinstance(cell, Interval) and cell.value is not None for cell in cells):
            columns[name] = [cell.value if isinstance(cell, Interval) else cell for cell in cells]
        columns[f"{name} low"] = [cell.low if isinstance(cell, Interval) else None for cell in cells]
        columns[f"{name} high"] = [cell.high if isinstance(cell, Interval) else None for cell in cells]
    return pd.DataFrame(columns, dtype=object)


def level(words: MetricFormat) -> Callable[[Any], str]:
    """Return the format of a value of the metric: "91.20 % [90.75, 91.65]"."""
    return _writer(words.show)


def difference(words: MetricFormat) -> Callable[[Any], str]:
    """Return the format of a difference of the metric: "-7.10 pp [-8.00, -6.20]".

    A metric without a unit is shown to the digits that the interval leaves certain: "-0.01 [-0.42, +0.40]".
    """
    return _writer(words.difference) if words.unit else _writer_by_width(words)


def plain(value: Any) -> str:
    """Return a number without a unit, with its interval if it has one: "1.52 [0.31, 2.70]"."""
    return _writer(lambda number: f"{number if abs(number) >= 0.005 else 0:.2f}")(value)


def probability(p: Any) -> str:
    """Return a p-value with two digits: "0.033", "< 0.0001". It is never rounded to 0, nor across 0.05."""
    return MISSING if missing(p) else p_text(float(p)).removeprefix("= ")


def _writer(show: Callable[[float], str]) -> Callable[[Any], str]:
    def write(cell: Any) -> str:
        if not isinstance(cell, Interval):
            return show(float(cell))
        if cell.value is None:
            return f"[{_bare(show(cell.low))}, {_bare(show(cell.high))}]"
        value, low, high = same_places(show, [cell.value, cell.low, cell.high])
        return f"{value} [{_bare(low)}, {_bare(high)}]"

    return write


def _writer_by_width(words: MetricFormat) -> Callable[[Any], str]:
    def signed(number: float, half: float) -> str:
        text = words.digits(number, half)
        return f"+{text}" if number > 0 and text.strip("0.,") else text

    def write(cell: Any) -> str:
        if not isinstance(cell, Interval):
            return words.difference(float(cell))
        half = (cell.high - cell.low) / 2
        ends = f"[{signed(cell.low, half)}, {signed(cell.high, half)}]"
        return ends if cell.value is None else f"{signed(cell.value, half)} {ends}"

    return write


def _bare(text: str) -> str:
    return text.removesuffix(" %").removesuffix(" pp")
