"""Tables for a terminal of any width: text wraps, and columns that do not fit follow below. No figure is cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table
from rich.text import Text

from sweeps.io.errors import visible

LONGEST_WORD = 12  # of text without a digit; a longer one may be broken
LONGEST_FIGURE = 24


def table(*columns: str, numbers: Iterable[str] = ()) -> Table:
    """Return an empty table.

    Args:
        columns: The titles of the columns. The first one is repeated where columns follow below.
        numbers: Those with numbers, which are aligned to the right and never wrapped.
    """
    right = set(numbers)
    made = WideTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        number = name in right
        made.add_column(text(name), justify="right" if number else "left", overflow="fold", no_wrap=number)
    return made


def text(value: object, style: str = "") -> Text:
    """Return a cell. It is a `Text`, because rich would take "[...]" in a plain string for markup."""
    return Text(visible(str(value)), style=style)


class WideTable(Table):
    """A table that continues below where a terminal is too narrow for its columns."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the table, or its parts one below the other."""
        for columns in _parts(self.columns, options.max_width):
            part = Table(box=self.box, pad_edge=self.pad_edge, show_header=self.show_header)
            for column, width in zip(columns, _widths(columns, options.max_width), strict=True):
                part.add_column(column.header, justify=column.justify, overflow="fold", width=width)
            for row, *cells in zip(self.rows, *(column.cells for column in columns), strict=True):
                part.add_row(*cells, end_section=row.end_section)
            yield part


def _parts(columns: Sequence[Column], width: int) -> list[list[Column]]:
    """The columns of each part; all parts begin with the first one."""
    first, *others = columns
    parts = [[first]]
    for column in others:
        if len(parts[-1]) > 1 and sum(map(_least, [*parts[-1], column])) + _around(len(parts[-1]) + 1) > width:
            parts.append([first])
        parts[-1].append(column)
    return parts


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """The widths of the columns of a part: the least, and what is left over to those that have longer cells."""
    widths, wanted = [*map(_least, columns)], [*map(_longest_cell, columns)]
    spare = width - _around(len(columns)) - sum(widths)
    if spare < 0:  # the title of the rows gives way to the figures
        widths[0] = max(1, widths[0] + spare)
    while spare > 0 and widths != wanted:
        place = min((place for place in range(len(widths)) if widths[place] < wanted[place]), key=widths.__getitem__)
        widths[place] += 1
        spare -= 1
    return widths


def _around(columns: int) -> int:
    """The width between and around so many columns: a blank to either side, and the invisible edges of the box."""
    return 3 * columns - 1


def _least(column: Column) -> int:
    """The width that a column needs so that no figure in it is broken."""
    longest = _longest_cell(column)
    if column.no_wrap and longest <= LONGEST_FIGURE:
        return longest
    words = [word for cell in _cells(column) for word in cell.split()]
    return max((min(cell_len(word), _longest(word)) for word in words), default=0)


def _longest_cell(column: Column) -> int:
    return max(map(cell_len, _cells(column)))


def _cells(column: Column) -> list[str]:
    return [str(cell) for cell in (column.header, *column.cells)]


def _longest(word: str) -> int:
    return LONGEST_FIGURE if any(character.isdigit() for character in word) else LONGEST_WORD
