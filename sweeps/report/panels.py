"""The figures of the page in their order: for each its data, its drawing and what is said beneath it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from sweeps.report import figures, series
from sweeps.report.importance import Importance
from sweeps.results import Results
from sweeps.words import count

LEFT_OUT = (
    "Pruned trials are left out: they were measured after fewer epochs than the completed ones, with which they "
    "cannot be compared."
)


@dataclass(frozen=True)
class Panel:
    """A kind of figure. `absent` says why it is missing where its data are empty."""

    key: str
    title: str
    compute: Callable[[Results], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Results], figures.Figure]
    caption: Callable[[pd.DataFrame, Results], str]
    absent: str


@dataclass(frozen=True)
class Plot:
    """A figure of one study: `data` is what it was drawn from."""

    key: str
    title: str
    caption: str
    data: pd.DataFrame
    figure: figures.Figure


def plots(results: Results, importance: Importance | None) -> tuple[list[Plot], list[str]]:
    """Every figure that the study has data for, and a line for each that it has not."""
    drawn, absent = [], []
    for panel in panels(importance):
        data = panel.compute(results)
        if data.empty:
            absent.append(f"{panel.title}: {panel.absent}.")
            continue
        caption = panel.caption(data, results)
        drawn.append(Plot(panel.key, panel.title, caption, data, panel.draw(data, results)))
    return drawn, absent


def panels(importance: Importance | None) -> Iterator[Panel]:
    """The figures in the order of the page."""
    yield Panel(
        "tradeoff",
        "The metric against parameters",
        series.tradeoff,
        figures.draw_tradeoff,
        _tradeoff,
        "no trial has a count of parameters",
    )
    yield Panel("curves", "Learning curves", series.curves, figures.draw_curves, _curves, "no epoch was recorded")
    yield Panel("history", "Search history", series.history, figures.draw_history, _history, "no value was recorded")
    yield Panel(
        "coordinates",
        "Settings of the completed trials",
        series.coordinates,
        figures.draw_coordinates,
        _coordinates,
        "no trial has completed, or nothing is searched",
    )
    yield Panel(
        "importance",
        "Importance of the settings (exploratory)",
        lambda results: series.importance(importance),
        figures.draw_importance,
        lambda data, results: _importance(importance, results),
        "too few comparable trials",
    )
    yield Panel(
        "survivors",
        "Trials left at each epoch",
        series.survivors,
        figures.draw_survivors,
        _survivors,
        "the study does not terminate trials early, or none has begun",
    )
    yield Panel("timeline", "Timeline", series.timeline, figures.draw_timeline, _timeline, "no trial has begun")


def _evidence(results: Results, number: int, noun: str = "trial") -> str:
    """How much evidence a figure shows, and on which data it was measured."""
    return f"n = {count(number, noun)}, one run each, on validation data (the test set stays sealed)."


def _tradeoff(data: pd.DataFrame, results: Results) -> str:
    rejected = int((data["group"] == series.REJECTED).sum())
    limits = figures.limits(results, "parameters")
    text = _evidence(results, len(data) - rejected, "completed trial")
    text += " Dashed: the Pareto front, on which fewer parameters cost some of the metric."
    text += f" Dotted: the budget, {limits[0]:,} parameters." if limits else ""
    if rejected:
        text += f" Marks at the top: {count(rejected, 'configuration')} rejected untrained, so without a metric."
    return f"{text} {LEFT_OUT}"


def _curves(data: pd.DataFrame, results: Results) -> str:
    text = f"{_evidence(results, data['trial'].nunique())} One line per trial and epoch by epoch; grey: pruned."
    thinned = any(len(trial.curve) > series.MOST_POINTS for trial in results.trials)
    return f"{text} Long curves are thinned to {series.MOST_POINTS} points." if thinned else text


def _history(data: pd.DataFrame, results: Results) -> str:
    return (
        f"{_evidence(results, len(data))} Filled: completed; open: stopped, at the last value recorded, "
        "which comes from fewer epochs. The line is the best completed so far."
    )


def _coordinates(data: pd.DataFrame, results: Results) -> str:
    return (
        f"{_evidence(results, data['trial'].nunique(), 'completed trial')} One line per trial, one axis per setting, "
        "each over the range that was searched (logarithmic where the search was). "
        "Lines that share a choice are set a little apart."
    )


def _importance(found: Importance | None, results: Results) -> str:
    assert found is not None, "drawn only where there is something to draw"
    return (
        f"Exploratory: {found.method} over n = {count(found.trials, 'trial')}, "
        "on validation data (the test set stays sealed). Bars: mean; whiskers: one standard deviation. "
        "It describes where the search went, not what a setting causes: an ablation answers that."
    )


def _survivors(data: pd.DataFrame, results: Results) -> str:
    return (
        f"{_evidence(results, int(data['reached'].max()))} Trials that trained up to each epoch; diamonds: the rungs, "
        "where early termination (ASHA) let the better ones go on by their validation metric."
    )


def _timeline(data: pd.DataFrame, results: Results) -> str:
    text = f"n = {count(len(data), 'trial')}. From the start to the end of each, by the clock of the machine"
    return f"{text}; a trial that was resumed spans its interruption. Validation runs only: the test set stays sealed."
