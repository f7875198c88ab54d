"""Compute the data of the figures of the search, as data frames. The page shows them below each figure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from sweeps.evidence.findings import Findings
from sweeps.evidence.importance import Importance
from sweeps.formatting import metric_format, setting
from sweeps.pruners.factory import rule_of
from sweeps.report.tables.frames import last_value
from sweeps.space.encoding import label
from sweeps.space.space import Categorical, Dimension, Numeric
from sweeps.stats.goal import sign
from sweeps.storage.results import Results
from sweeps.trial.arm import BASELINE
from sweeps.trial.trial import Status, Trial

MOST_POINTS = 200  # of one curve
MOST_OF_ALL = 80_000  # points of all curves together, so that the page stays small
BEST, COMPLETE, FRONT, REJECTED = "best", "complete", "Pareto front", "rejected"
UPPER = "best quarter"
TRAINED = frozenset({status for status in Status if status.counted} | {Status.FAILED, Status.RUNNING})


def pareto_front(findings: Findings, groups: Mapping[int, str]) -> pd.DataFrame:
    """Return the completed trials by parameters and value, and the rejected ones by parameters alone.

    Args:
        findings: The findings of the study.
        groups: The group of each trial, by number.

    Returns:
        The columns trial, parameters, value, group (best, baseline, complete, rejected) and front: whether no completed
        trial is at least as good with fewer parameters.
    """
    ranked = [trial for trial in findings.ranked if "parameters" in trial.cost]
    front = {trial.number for trial in _front(ranked)}
    rows = [
        (trial.number, trial.cost["parameters"], trial.value, groups[trial.number], trial.number in front)
        for trial in ranked
    ]
    trials = findings.results.trials
    rejected = [trial for trial in trials if trial.status is Status.REJECTED and "parameters" in trial.cost]
    rows += [(trial.number, trial.cost["parameters"], None, REJECTED, False) for trial in rejected]
    return _frame(rows, ["trial", "parameters", "value", "group", "front"])


def learning_curves(results: Results, groups: Mapping[int, str]) -> pd.DataFrame:
    """Return the metric by trial and epoch: columns trial, group, epoch, value.

    Imputed values are left out. A curve has at most MOST_POINTS epochs, and fewer where all curves together would have
    more than MOST_OF_ALL.
    """
    recorded = sum(len(trial.measured) for trial in results.trials)
    share = min(1.0, MOST_OF_ALL / max(1, recorded))
    rows = [
        (trial.number, groups[trial.number], epoch, curve[epoch])
        for trial in results.trials
        for curve in (trial.measured,)
        for epoch in thinned(sorted(curve), most=min(MOST_POINTS, max(2, round(share * len(curve)))))
    ]
    return _frame(rows, ["trial", "group", "epoch", "value"])


def history(results: Results, groups: Mapping[int, str]) -> pd.DataFrame:
    """Return the last value of each trial, by number: columns trial, group, value, best so far.

    Only completed trials change `best so far`. Trials that recorded no value are left out.
    """
    factor = sign(results.study.metric.goal)
    best: float | None = None
    rows = []
    for trial in results.trials:
        value = last_value(trial)
        if value is None:
            continue
        if trial.status is Status.COMPLETE:
            best = value if best is None else max(best, value, key=lambda value: factor * value)
        rows.append((trial.number, groups[trial.number], value, best))
    return _frame(rows, ["trial", "group", "value", "best so far"])


def parallel_coordinates(findings: Findings) -> pd.DataFrame:
    """Return the position of each completed trial on the axis of each searched setting.

    Returns:
        The columns trial, group, value, setting, at (the setting as text) and position: from 0 to 1 over the searched
        range, on a log scale if it was searched so, or over the list of values. The first row of each trial is on the
        metric's axis. A conditional setting that a trial lacks has no row. Empty where nothing is searched.
    """
    dimensions = findings.results.study.space.dimensions
    ranked = findings.ranked if dimensions else ()
    # The best quarter is coloured, which shows the ranges in which good trials lie.
    upper = {trial.number for trial in ranked[: max(1, len(ranked) // 4)]}
    words, axis = findings.metric_format, metric_row(findings.results)
    rows: list[tuple[Any, ...]] = []
    for trial, position in zip(ranked, _spread([trial.value or 0.0 for trial in ranked]), strict=True):
        about = (trial.number, _rank_group(trial, ranked[0], upper), trial.value)
        rows.append((*about, axis, words.show(trial.value), position))
        for dimension in dimensions:
            if dimension.key in trial.parameters:
                at = trial.parameters[dimension.key]
                rows.append((*about, dimension.key, setting(at), position_of(dimension, at)))
    return _frame(rows, ["trial", "group", "value", "setting", "at", "position"])


def metric_row(results: Results) -> str:
    """Return the name of the metric's axis, marked if a setting has the same name."""
    name = metric_format(results.study.metric, results.percentages).axis
    return f"{name} (metric)" if name in results.study.parameters else name


def ticks(dimension: Dimension) -> list[tuple[float, str]]:
    """Return the marks of a setting's axis as (position, text): the values of a list, or ends and middle of a range."""
    if isinstance(dimension, Categorical):
        return [(position_of(dimension, value) or 0.0, setting(value)) for value in dimension.values]
    assert isinstance(dimension, Numeric)
    low, high = float(dimension.low), float(dimension.high)
    middle = math.sqrt(low * high) if dimension.log else (low + high) / 2
    marks = [(0.0, setting(dimension.low)), (1.0, setting(dimension.high))]
    return marks if dimension.integer else [marks[0], (0.5, setting(float(f"{middle:.2g}"))), marks[1]]


def position_of(dimension: Dimension, value: Any) -> float | None:
    """Return the position of a value on its axis, from 0 to 1; None outside the searched range."""
    if isinstance(dimension, Categorical):
        places = [place for place, choice in enumerate(dimension.values) if label(choice) == label(value)]
        return (places[0] + 0.5) / len(dimension.values) if places else None
    assert isinstance(dimension, Numeric)
    low, high, at = float(dimension.low), float(dimension.high), float(value)
    if not low <= at <= high:
        return None
    if dimension.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    if low == high:  # neighbouring numbers can have the same logarithm
        return 0.5
    return (at - low) / (high - low)


def importance(estimates: Sequence[Importance]) -> pd.DataFrame:
    """Return the searched settings by method, in the order of importance by the first method.

    Returns:
        The columns method, setting, importance, low and high. These are the ends of the 95 % bootstrap interval or,
        where it was not computed, one standard deviation to either side.
    """
    columns = ["method", "setting", "importance", "low", "high"]
    first = estimates[0].means if estimates else {}
    rows = []
    for estimate in estimates:
        shares = [(key, mean, *_ends(estimate, key, mean)) for key, mean in estimate.means.items()]
        shares.sort(key=lambda row: (-first.get(row[0], 0.0), row[0]))
        rows += [(estimate.method, *row) for row in shares]
    return _frame(rows, columns)


def rungs(results: Results) -> pd.DataFrame:
    """Return how many trials reached each epoch, and how many were pruned there.

    Returns:
        The columns epoch, reached, pruned and rung: whether trials were judged at the epoch. Empty without early
        termination.
    """
    section = results.settled_study.early_terminate
    lengths = sorted(trial.epochs for trial in results.trials if trial.epochs)
    if section is None or not lengths:
        return _frame([], ["epoch", "reached", "pruned", "rung"])
    rule = rule_of(section, lengths[-1], results.study.metric.goal)
    judged = {*rule.judged(section.max_iter or lengths[-1])}
    pruned = Counter(trial.epochs for trial in results.trials if trial.status is Status.PRUNED)
    epochs = thinned(range(1, lengths[-1] + 1), keep=judged)
    reached = [len(lengths) - bisect_right(lengths, epoch - 1) for epoch in epochs]
    rows = [(epoch, number, pruned[epoch], epoch in judged) for epoch, number in zip(epochs, reached, strict=True)]
    return _frame(rows, ["epoch", "reached", "pruned", "rung"])


def timeline(results: Results, groups: Mapping[int, str]) -> pd.DataFrame:
    """Return when each trial held a device, in minutes since the first began: columns trial, group, start, finish.

    Trials that were never trained are left out. A running trial ends at the latest time in the study.
    """
    begun = [(trial, trial.started) for trial in results.trials if trial.started and trial.status in TRAINED]
    if not begun:
        return _frame([], ["trial", "group", "start", "finish"])
    origin = min(started for _, started in begun)
    latest = max([started for _, started in begun] + [trial.finished for trial, _ in begun if trial.finished])
    rows = [
        (
            trial.number,
            groups[trial.number],
            _minutes(origin, started),
            # A machine's clock may be set back during a trial.
            _minutes(origin, max(started, trial.finished or latest)),
        )
        for trial, started in begun
    ]
    return _frame(rows, ["trial", "group", "start", "finish"])


def groups(findings: Findings) -> dict[int, str]:
    """Return the group in which figures show each trial, by number: best, baseline, or its state."""
    by_number = {trial.number: trial.state for trial in findings.results.trials}
    baseline = findings.baseline_trial
    if baseline is not None and baseline.status is Status.COMPLETE:
        by_number[baseline.number] = BASELINE
    return by_number | {trial.number: BEST for trial in findings.ranked[:1]}


def thinned(epochs: Sequence[int], keep: Collection[int] = (), most: int = MOST_POINTS) -> list[int]:
    """Return at most `most` of ascending epochs, evenly spaced, with the first, the last and those in `keep`."""
    if len(epochs) <= most:
        return list(epochs)
    # By place in the list, because epochs may be missing.
    step = (len(epochs) - 1) / (most - 1)
    spaced = {epochs[round(step * place)] for place in range(most)}
    return sorted(spaced | set(keep) & set(epochs))


def _front(ranked: list[Trial]) -> list[Trial]:
    """The trials for which no trial is at least as good with fewer parameters; `ranked` is best first."""
    front: list[Trial] = []
    for trial in ranked:
        if not front or trial.cost["parameters"] < front[-1].cost["parameters"]:
            front.append(trial)
    return front


def _rank_group(trial: Trial, best: Trial, upper: set[int]) -> str:
    if trial is best:
        return BEST
    return UPPER if trial.number in upper else COMPLETE


def _ends(estimate: Importance, key: str, mean: float) -> tuple[float, float]:
    if key in estimate.lows and key in estimate.highs:
        return estimate.lows[key], estimate.highs[key]
    deviation = estimate.deviations.get(key, 0.0)
    return mean - deviation, mean + deviation


def _spread(values: list[float]) -> list[float]:
    """Values scaled to 0 to 1; all in the middle if they are equal."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    return [(value - low) / (high - low) if high > low else 0.5 for value in values]


def _minutes(origin: datetime, moment: datetime) -> float:
    return (moment - origin).total_seconds() / 60


def _frame(rows: Sequence[Sequence[Any]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns, dtype=object)
