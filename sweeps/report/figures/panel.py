"""What a figure of the page consists of: its data, its drawing, and what is said beneath it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd

from sweeps.report.figures.base import Figure
from sweeps.storage.results import Results


@dataclass(frozen=True)
class Panel:
    """A kind of figure. `absent` says why it is missing where its data are empty."""

    key: str
    title: str
    compute: Callable[[Results], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Results], Figure]
    caption: Callable[[pd.DataFrame, Results], str]
    absent: str


@dataclass(frozen=True)
class Plot:
    """A figure of one study: `data` is what it was drawn from."""

    key: str
    title: str
    caption: str
    data: pd.DataFrame
    figure: Figure


def plots(panels: Iterable[Panel], results: Results) -> tuple[list[Plot], list[str]]:
    """Every figure that the study has data for, and a line for each that it has not and that says why."""
    drawn, absent = [], []
    for panel in panels:
        data = panel.compute(results)
        if data.empty:
            absent += [f"{panel.title}: {panel.absent}."] if panel.absent else []
            continue
        caption = panel.caption(data, results)
        drawn.append(Plot(panel.key, panel.title, caption, data, panel.draw(data, results)))
    return drawn, absent
