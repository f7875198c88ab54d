"""Names as cells of CSV files that are read back.

A spreadsheet runs a cell that begins like a formula, and class names come from foreign data. Such a name gets a quote
in front when it is written and loses it when it is read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import Literal

# The leading quotes are part of the pattern, so that a name that already looks quoted survives the round trip.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def quoted(name: str) -> str:
    """Return `name` as a CSV cell, with a quote in front if a spreadsheet would run it as a formula."""
    return f"'{name}" if _FORMULA.match(name) else name


def unquoted(cell: str) -> str:
    """Return the name from which `quoted` made `cell`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def quoting(names: Iterable[str]) -> Literal[0, 1]:
    """Return the `quoting` argument of `csv.writer` for cells with these names."""
    # With QUOTE_MINIMAL and "\n" as line terminator the csv module leaves "\r" bare, and the reader ends the row there.
    return csv.QUOTE_ALL if any("\r" in name for name in names) else csv.QUOTE_MINIMAL
