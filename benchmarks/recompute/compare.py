"""Compare recomputed figures with published ones, at full precision and as printed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

# A recomputed cell: a number, a text, None for an empty cell, or a test of the published text.
Cell = float | int | str | None | Callable[[str], bool]
Columns = Mapping[str, Sequence[Cell]]
# Cells that are not recomputed.
NOT_PUBLISHED, ANYTIME = "no table has the runs behind it", "an anytime boundary: calibration checks its coverage"
NOT_RECOMPUTED = (NOT_PUBLISHED, ANYTIME)
RELATIVE, ABSOLUTE = 1e-7, 1e-10
# The inverse of the noncentral t that the engine takes from scipy stops its search at about six digits.
NONCENTRAL, SIX_DIGITS = ("d_z low", "d_z high", "detectable difference"), 1e-5
PRINTED_IN_PERCENT = ("coverage of the equivalence interval",)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d[\d,]*)(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.]*\w)")
_INTERVAL = re.compile(r"95 % CI (-?[\d.,]*\d) to (-?[\d.,]*\d)")


@dataclass
class Verdict:
    """What was compared so far.

    Attributes:
        checked: The number of figures.
        wrong: A line for each figure that is wrong.
        unknown: The columns that were not recomputed, by table.
    """

    checked: int = 0
    wrong: list[str] = field(default_factory=list)
    unknown: dict[str, list[str]] = field(default_factory=dict)

    def count(self, holds: bool, text: str) -> None:
        """Count one figure."""
        self.checked += 1
        if not holds:
            self.wrong.append(text)

    def leave_out(self, table: str, column: str) -> None:
        """List a column that is not recomputed, or not in every row."""
        columns = self.unknown.setdefault(table, [])
        if column not in columns:
            columns.append(column)


def compare_table(verdict: Verdict, name: str, published: pd.DataFrame, expected: Columns, texts: set[str]) -> None:
    """Compare a table with its recomputed columns; columns that are neither expected nor `texts` are listed."""
    for column in published.columns:
        if column not in expected:
            if column not in texts and published[column].any():
                verdict.leave_out(name, column)
            continue
        cells = expected[column]
        verdict.count(len(cells) == len(published), f"{name}: {len(published)} rows, {len(cells)} recomputed")
        for row, (cell, text) in enumerate(zip(cells, published[column], strict=False)):
            if cell in NOT_RECOMPUTED:
                verdict.leave_out(name, f"{column} ({cell})")
                continue
            where = f"{name}.csv, row {row + 1}, {column}: published {text!r}, recomputed {cell!r}"
            verdict.count(_agrees(cell, text, SIX_DIGITS if column in NONCENTRAL else RELATIVE), where)


def compare_printed(verdict: Verdict, name: str, published: pd.DataFrame, rows: Sequence[Mapping[str, str]]) -> None:
    """Check that the numbers of a Markdown table are the rounded ones of the CSV file."""
    for place, row in enumerate(rows):
        for column, text in row.items():
            values = [_number(published.iloc[place][each]) for each in _columns(column) if each in published]
            numbers = [value for value in values if value is not None]
            if not numbers or text == "–" or re.search(r"\d (?:s|min|h)\b", text):
                continue
            if column in PRINTED_IN_PERCENT:
                numbers = [100 * number for number in numbers]
            if text.endswith(" ms"):  # of device time, which the file has in hours
                numbers = [3_600_000 * number for number in numbers]
            where = f"{name}.md, row {place + 1}, {column}: printed {text!r} for {numbers}"
            verdict.count(_printed(text, numbers), where)


def compare_answer(verdict: Verdict, sentences: Sequence[str], tables: Mapping[str, pd.DataFrame]) -> None:
    """Check that every 95 % interval in the answer is a rounded one of a table, with or without its signs."""
    known = [ends for frame in tables.values() for ends in _intervals(frame)]
    known += [tuple(sorted(map(abs, ends))) for ends in known]
    for sentence in sentences:
        for match in _INTERVAL.finditer(sentence):
            low, high = (text.rstrip(".") for text in match.groups())
            holds = any(_rounded(low, ends[0]) and _rounded(high, ends[1]) for ends in known)
            verdict.count(holds, f"answer: no table has the interval {low} to {high} of {sentence!r}")


def _agrees(cell: Cell, text: str, relative: float) -> bool:
    if callable(cell):
        return cell(text)
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return text == ""
    if isinstance(cell, str):
        return text == cell
    number = _number(text)
    return number is not None and math.isclose(number, cell, rel_tol=relative, abs_tol=ABSOLUTE)


def _printed(text: str, numbers: Sequence[float]) -> bool:
    if text.startswith("<"):
        return numbers[0] < float(text[1:])
    shown = _NUMBER.findall(text.replace("–", ""))
    return len(shown) == len(numbers) and all(map(_rounded, shown, numbers))


def _rounded(text: str, value: float) -> bool:
    """Whether a printed number is `value`, rounded to its last digit."""
    bare = text.replace(",", "").lstrip("+")
    mantissa, _, exponent = bare.partition("e")
    places = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return abs(float(bare) - value) <= 0.5 * 10.0**-places * (1 + 1e-9)


def _columns(column: str) -> tuple[str, str, str]:
    return column, f"{column} low", f"{column} high"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _intervals(frame: pd.DataFrame) -> Iterator[tuple[float, ...]]:
    for column in frame.columns:
        low, high = f"{column.removesuffix(' low')} low", f"{column.removesuffix(' low')} high"
        if column == low and high in frame:
            ends = (tuple(map(_number, pair)) for pair in zip(frame[low], frame[high], strict=True))
            yield from (pair for pair in ends if None not in pair)  # type: ignore[misc]
