"""The figures of the search, in the order of the page."""

from __future__ import annotations

import pandas as pd

from sweeps.formatting import count
from sweeps.report.data import ReportData
from sweeps.report.figures import draw_search as draw
from sweeps.report.figures import search_data
from sweeps.report.figures.panel import Panel
from sweeps.trial.arm import BASELINE
from sweeps.trial.trial import Status

PRUNED_LEFT_OUT = (
    "Pruned trials are left out: they trained for fewer epochs than the completed ones, so their values cannot be "
    "compared."
)


def _evidence(number: int, noun: str = "trial") -> str:
    """The number of trials in a figure, and the data on which they were measured."""
    return f"n = {count(number, noun)}, one run each, on validation data; the search never sees the test set."


def _pareto_front(rows: pd.DataFrame, data: ReportData) -> str:
    rejected = int((rows["group"] == search_data.REJECTED).sum())
    limits = draw.limits(data.results, "parameters")
    text = _evidence(len(rows) - rejected, "completed trial")
    text += " Dashed: the Pareto front, on which no trial is at least as good with fewer parameters."
    text += f" Dotted: the budget, {limits[0]:,} parameters." if limits else ""
    if rejected:
        text += f" Marks at the top: {count(rejected, 'configuration')}, rejected without training."
    return f"{text} {PRUNED_LEFT_OUT}" if any(t.status is Status.PRUNED for t in data.results.trials) else text


def _learning_curves(rows: pd.DataFrame, data: ReportData) -> str:
    pruned = "; grey: pruned" if Status.PRUNED.value in set(rows["group"]) else ""
    text = f"{_evidence(rows['trial'].nunique())} One line per trial{pruned}."
    recorded = sum(len(trial.measured) for trial in data.results.trials)
    if len(rows) == recorded:
        return text
    return f"{text} Drawn are {len(rows):,} of {recorded:,} values, with both ends of each curve."


def _history(rows: pd.DataFrame, data: ReportData) -> str:
    completed = rows["best so far"].notna().any()
    unfinished = set(rows["group"]) - {search_data.BEST, search_data.COMPLETE, BASELINE}
    text = _evidence(len(rows))
    text += " Filled: completed trials." if completed else ""
    if unfinished:
        text += " Open: trials that were not trained to the end, at their last value, which is from fewer epochs."
    return f"{text} Line: the best completed trial so far." if completed else text


def _parallel_coordinates(rows: pd.DataFrame, data: ReportData) -> str:
    return (
        f"{_evidence(rows['trial'].nunique(), 'completed trial')} One line per trial, one axis per setting over its "
        "searched range (logarithmic if it was searched so). Lines through the same choice are drawn slightly apart."
    )


def _importance(rows: pd.DataFrame, data: ReportData) -> str:
    methods = "; ".join(f"{one.method} over n = {count(one.trials, 'trial')}" for one in data.importances)
    bootstrapped = all(one.lows for one in data.importances)
    whiskers = "the 95 % bootstrap interval over trials" if bootstrapped else "one standard deviation to either side"
    return (
        f"Exploratory: {methods}, on validation data; the search never sees the test set. Whiskers: {whiskers}. "
        "It describes the trials of this search, not the effect of a setting, which an ablation measures."
    )


def _rungs(rows: pd.DataFrame, data: ReportData) -> str:
    section = data.results.settled_study.early_terminate
    assert section is not None, "a study without early termination has no rungs"
    at_rungs = "trials paused, and the better ones were promoted" if section.promotes else "the better ones were kept"
    return (
        f"{_evidence(int(rows['reached'].max()))} Line: the trials that reached each epoch. Diamonds: the rungs, where "
        f"{at_rungs}, by their validation metric ({section.type})."
    )


def _timeline(rows: pd.DataFrame, data: ReportData) -> str:
    return (
        f"n = {count(len(rows), 'trial')} of the search, measured on validation data. One bar per trial, by the "
        "machine's clock; that of a trial that was paused or resumed includes the time between."
    )


SEARCH_PANELS = (
    Panel(
        "pareto_front",
        "Metric against parameters",
        lambda data: search_data.pareto_front(data.findings, data.groups),
        draw.draw_pareto_front,
        _pareto_front,
        "no trial has a count of parameters",
    ),
    Panel(
        "learning_curves",
        "Learning curves",
        lambda data: search_data.learning_curves(data.results, data.groups),
        draw.draw_learning_curves,
        _learning_curves,
        "no epoch was recorded",
    ),
    Panel(
        "history",
        "Search history",
        lambda data: search_data.history(data.results, data.groups),
        draw.draw_history,
        _history,
        "no value was recorded",
    ),
    Panel(
        "parallel_coordinates",
        "Settings of the completed trials",
        lambda data: search_data.parallel_coordinates(data.findings),
        draw.draw_parallel_coordinates,
        _parallel_coordinates,
        "no trial has completed, or nothing is searched",
    ),
    Panel(
        "importance",
        "Importance of the settings (exploratory)",
        lambda data: search_data.importance(data.importances),
        draw.draw_importance,
        _importance,
        "too few comparable trials",
    ),
    Panel(
        "rungs",
        "Trials that reached each epoch",
        lambda data: search_data.rungs(data.results),
        draw.draw_rungs,
        _rungs,
        "the study does not terminate trials early, or none has begun",
    ),
    Panel(
        "timeline",
        "Timeline",
        lambda data: search_data.timeline(data.results, data.groups),
        draw.draw_timeline,
        _timeline,
        "no trial has begun",
    ),
)
