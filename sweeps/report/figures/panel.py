"""A kind of figure: how its data are computed, how they are drawn, and the caption below it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd

from sweeps.evidence.findings import Findings
from sweeps.io.errors import UserError
from sweeps.report.data import ReportData
from sweeps.report.figures.base import Figure


class FigureNotApplicable(UserError):
    """A study has no data for a figure; the text says why."""


@dataclass(frozen=True)
class Plot:
    """A figure of one study, with the data from which it was drawn."""

    key: str
    title: str
    caption: str
    data: pd.DataFrame
    figure: Figure


@dataclass(frozen=True)
class Panel:
    """A kind of figure.

    Attributes:
        key: Its name in the registry and on the page.
        title: Its title.
        compute: Returns the data; empty where the figure does not apply.
        draw: Draws the data.
        caption: Returns the caption of the data.
        absent: Why the figure does not apply to a study without data for it.
        stages: The stages that it shows, one of which must have begun; empty for the search.
        explained: Whether the page says why the figure is missing. It does not where the reason is plain: the figure
            belongs to another design, or its runs are still to come.
    """

    key: str
    title: str
    compute: Callable[[ReportData], pd.DataFrame]
    draw: Callable[[pd.DataFrame, ReportData], Figure]
    caption: Callable[[pd.DataFrame, ReportData], str]
    absent: str
    stages: tuple[str, ...] = ()
    explained: bool = True

    def plot(self, data: ReportData) -> Plot | None:
        """Return the figure of a study with its caption; None where it does not apply."""
        rows = self.compute(data)
        if rows.empty:
            return None
        return Plot(self.key, self.title, self.caption(rows, data), rows, self.draw(rows, data))

    def applies(self, findings: Findings) -> bool:
        """Return whether the study has data for the figure."""
        return self.has_data(ReportData(findings))

    def __call__(self, findings: Findings) -> Figure:
        """Return the figure of a study. Raises as `figure_of`."""
        return self.figure_of(ReportData(findings))

    def has_data(self, data: ReportData) -> bool:
        """Return whether the study has data for the figure; `data` keeps what was computed for it."""
        return not self.compute(data).empty

    def figure_of(self, data: ReportData) -> Figure:
        """Return the figure of a study.

        Raises:
            FigureNotApplicable: The study has no data for it.
        """
        rows = self.compute(data)
        if rows.empty:
            reason = self._reason(data.findings)
            raise FigureNotApplicable(f"{data.results.name} has no figure {self.key!r}: {reason}")
        return self.draw(rows, data)

    def _reason(self, findings: Findings) -> str:
        if self.stages and not any(stage in findings.results.stages for stage in self.stages):
            return f"its stage {' or '.join(self.stages)} has not begun"
        return self.absent


def plots(panels: Iterable[Panel], data: ReportData) -> tuple[list[Plot], list[str]]:
    """Return the figures that apply to a study, and a line for each of the others that the page explains."""
    drawn, absent = [], []
    for panel in panels:
        plot = panel.plot(data)
        if plot is not None:
            drawn.append(plot)
        elif panel.explained:
            absent.append(f"{panel.title}: {panel.absent}.")
    return drawn, absent
