"""sweeps.io.csv."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import Literal

_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet takes for a formula, and such a name already quoted


def quoted(name: str) -> str:
    """`name` as a cell of a CSV file that is read back: one that a spreadsheet would run has a quote before it."""
    return f"'{name}" if _FORMULA.match(name) else name


def unquoted(cell: str) -> str:
    """The name that `quoted` made `cell` of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def quoting(names: Iterable[str]) -> Literal[0, 1]:
    """How the `csv` module must quote cells of these names: by itself it leaves a carriage return bare."""
    return csv.QUOTE_ALL if any("\r" in name for name in names) else csv.QUOTE_MINIMAL
