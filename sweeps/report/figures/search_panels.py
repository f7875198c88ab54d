"""The figures of the search in the order of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from sweeps.evidence.importance import Importance
from sweeps.formatting import count
from sweeps.report.figures import draw_search as search
from sweeps.report.figures import search_data as series
from sweeps.report.figures.panel import Panel
from sweeps.storage.results import Results

LEFT_OUT = (
    "Pruned trials are left out: they were measured after fewer epochs than the completed ones, with which they "
    "cannot be compared."
)


def panels(importances: Sequence[Importance]) -> Iterator[Panel]:
    """The figures in the order of the page."""
    yield Panel(
        "tradeoff",
        "The metric against parameters",
        series.tradeoff,
        search.draw_tradeoff,
        _tradeoff,
        "no trial has a count of parameters",
    )
    yield Panel("curves", "Learning curves", series.curves, search.draw_curves, _curves, "no epoch was recorded")
    yield Panel("history", "Search history", series.history, search.draw_history, _history, "no value was recorded")
    yield Panel(
        "coordinates",
        "Settings of the completed trials",
        series.coordinates,
        search.draw_coordinates,
        _coordinates,
        "no trial has completed, or nothing is searched",
    )
    yield Panel(
        "importance",
        "Importance of the settings (exploratory)",
        lambda results: series.importance(importances),
        search.draw_importance,
        lambda data, results: _importance(importances),
        "too few comparable trials",
    )
    yield Panel(
        "survivors",
        "Trials left at each epoch",
        series.survivors,
        search.draw_survivors,
        _survivors,
        "the study does not terminate trials early, or none has begun",
    )
    yield Panel("timeline", "Timeline", series.timeline, search.draw_timeline, _timeline, "no trial has begun")


def _evidence(results: Results, number: int, noun: str = "trial") -> str:
    """How much evidence a figure shows, and on which data it was measured."""
    return f"n = {count(number, noun)}, one run each, on validation data; the search never sees the test set."


def _tradeoff(data: pd.DataFrame, results: Results) -> str:
    rejected = int((data["group"] == series.REJECTED).sum())
    limits = search.limits(results, "parameters")
    text = _evidence(results, len(data) - rejected, "completed trial")
    text += " Dashed: the Pareto front, on which fewer parameters cost some of the metric."
    text += f" Dotted: the budget, {limits[0]:,} parameters." if limits else ""
    if rejected:
        text += f" Marks at the top: {count(rejected, 'configuration')} rejected untrained, so without a metric."
    return f"{text} {LEFT_OUT}"


def _curves(data: pd.DataFrame, results: Results) -> str:
    text = f"{_evidence(results, data['trial'].nunique())} One line per trial; grey: pruned."
    recorded = sum(len(trial.curve) for trial in results.trials)
    if len(data) == recorded:
        return text
    return f"{text} Drawn are {len(data):,} of {recorded:,} values: of each curve its ends and some between."


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


def _importance(found: Sequence[Importance]) -> str:
    methods = "; ".join(f"{one.method} over n = {count(one.trials, 'trial')}" for one in found)
    bootstrapped = all(one.lows for one in found)
    whiskers = "the 95 % bootstrap interval over trials" if bootstrapped else "one standard deviation to either side"
    return (
        f"Exploratory: {methods}, on validation data; the search never sees the test set. Whiskers: {whiskers}. "
        "It describes where the search went, not what a setting causes: an ablation answers that."
    )


def _survivors(data: pd.DataFrame, results: Results) -> str:
    rule = results.study.early_terminate
    return (
        f"{_evidence(results, int(data['reached'].max()))} Trials that trained up to each epoch; diamonds: the rungs, "
        f"where early termination ({rule.type if rule else ''}) let the better ones go on by their validation metric."
    )


def _timeline(data: pd.DataFrame, results: Results) -> str:
    return (
        f"n = {count(len(data), 'trial')} of the search, judged on validation data. From the start to the end of each, "
        "by the clock of the machine; a trial that was resumed spans its interruption."
    )
