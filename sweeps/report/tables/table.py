"""A table of a report: a data frame with the text that its columns become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from sweeps.report.tables.grid import Formats, Grid, Titles
from sweeps.report.tables.interval import expanded


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        name: The name of its files.
        title: Its title on the page.
        frame: The data.
        formats: How the cells of a column become text.
        titles: The titles of columns; others are titled by their names.
        note: A sentence on how to read it.
        folded: Whether the page shows it only on request.
        unshown: The columns that only the CSV file has.
        most: The most rows that are shown; the CSV file has all.
        page: The data as they are shown, where the CSV file has other columns.
    """

    name: str
    title: str
    frame: pd.DataFrame
    formats: Formats = field(default_factory=dict)
    titles: Titles = field(default_factory=dict)
    note: str = ""
    folded: bool = False
    unshown: Sequence[str] = ()
    most: int | None = None
    page: pd.DataFrame | None = None

    @property
    def data(self) -> pd.DataFrame:
        """The cells of the CSV file, with the ends of intervals in columns of their own."""
        return expanded(self.frame)

    @cached_property
    def grid(self) -> Grid:
        """The cells as text."""
        shown = self.frame if self.page is None else self.page
        return Grid.of(shown.drop(columns=list(self.unshown)), self.formats, self.titles, self.most)
