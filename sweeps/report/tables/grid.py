"""Turn a data frame into text, for the page, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sweeps.formatting import MISSING, MetricFormat, duration, setting
from sweeps.io.escape import latex_text, markdown_text
from sweeps.report.tables.frames import COSTS, missing
from sweeps.report.tables.interval import Interval
from sweeps.workload.protocol import GPU_MEMORY

# How the cells of a column become text; a column without an entry is written like a setting.
Formats = Mapping[str, Callable[[Any], str]]
# The title of a column, where its name in the CSV file is not clear enough.
Titles = Mapping[str, str]
WIDEST = 36


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: Its title.
        numeric: Whether it holds numbers, which are aligned to the right.
        wide: Whether some text is so long that it is broken into lines.
    """

    title: str
    numeric: bool
    wide: bool = False


@dataclass(frozen=True)
class Grid:
    """A table of text cells, without the last `left_off` rows of the data."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    left_off: int = 0

    @classmethod
    def of(cls, frame: pd.DataFrame, formats: Formats, titles: Titles, most: int | None = None) -> Grid:
        """Return `frame` as text, without the columns that have no value.

        Args:
            frame: The data.
            formats: How the cells of a column become text.
            titles: The titles of columns.
            most: The most rows; None for all.
        """
        # Most studies have no value in some column, such as a limit that was not set.
        names = [name for name in frame.columns if not frame.empty and not frame[name].map(missing).all()]
        shown = frame[names].head(most) if most is not None else frame[names]
        rows = tuple(
            tuple(_cell(value, formats.get(name, setting)) for name, value in zip(names, row, strict=True))
            for row in shown.itertuples(index=False, name=None)
        )
        columns = tuple(
            Column(titles.get(name, str(name)), _numeric(frame[name]), any(len(row[place]) > WIDEST for row in rows))
            for place, name in enumerate(names)
        )
        return cls(columns, rows, len(frame) - len(shown))

    def markdown(self) -> str:
        """Return a Markdown table."""
        titles = " | ".join(markdown_text(column.title) for column in self.columns)
        rule = " | ".join("---:" if column.numeric else "---" for column in self.columns)
        lines = [titles, rule, *(" | ".join(map(markdown_text, row)) for row in self.rows)]
        return "\n".join(f"| {line} |" for line in lines)

    def latex(self) -> str:
        """Return a LaTeX tabular with the rules of booktabs, which compiles with any engine."""
        kinds = "".join("r" if column.numeric else "l" for column in self.columns)
        titles = " & ".join(latex_text(column.title) for column in self.columns)
        body = [" & ".join(map(latex_text, row)) + r" \\" for row in self.rows]
        lines = [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", rf"{titles} \\", r"\midrule", *body]
        return "\n".join([r"% needs \usepackage{booktabs}", *lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def formats(words: MetricFormat, metric: str) -> Formats:
    """Return the formats of the columns of facts; `metric` is the name of the metric's column."""
    counts = dict.fromkeys((*COSTS, "trials", "epochs"), _count)
    times = {"seconds": lambda seconds: duration(float(seconds))}
    return {GPU_MEMORY: lambda peak: f"{peak:,.0f}", metric: words.show, **counts, **times}


def titles(words: MetricFormat, metric: str) -> Titles:
    """Return the titles of the columns of facts."""
    costs = {"trainable_parameters": "trainable parameters", "macs": "MACs", "seconds": "time"}
    return {GPU_MEMORY: "GPU memory (MiB)", metric: words.label, **costs}


def _count(value: Any) -> str:
    return f"{int(value):,}"


def _cell(value: Any, write: Callable[[Any], str]) -> str:
    return MISSING if missing(value) else write(value)


def _numeric(column: pd.Series[Any]) -> bool:
    present = [value for value in column if not missing(value)]
    numbers = (int, float, Interval)
    return bool(present) and all(isinstance(value, numbers) and not isinstance(value, bool) for value in present)
