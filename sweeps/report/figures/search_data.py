"""The data of the figures, as data frames. Their columns are what the page shows beneath each figure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from sweeps.evidence.importance import Importance
from sweeps.formatting import measure, setting
from sweeps.pruners.factory import rule_of
from sweeps.report.tables.frames import baseline_trial, last_value
from sweeps.space.space import Categorical, Dimension, Numeric
from sweeps.storage.results import Results
from sweeps.trial.trial import Status, Trial

MOST_POINTS = 200  # of one curve
MOST_OF_ALL = 80_000  # of all curves together
BEST, BASELINE, COMPLETE, FRONT, REJECTED = "best", "baseline", "complete", "Pareto front", "rejected"
UPPER = "best quarter"


def tradeoff(results: Results) -> pd.DataFrame:
    """Completed trials by parameters and value, and the rejected ones by parameters alone.

    Columns: trial, parameters, value, group (best, baseline, complete, rejected) and front, whether no completed trial
    is at least as good with fewer parameters.
    """
    ranked = [trial for trial in results.ranked() if "parameters" in trial.cost]
    front = {trial.number for trial in _front(ranked)}
    group = groups(results)
    rows = [
        (trial.number, trial.cost["parameters"], trial.value, group[trial.number], trial.number in front)
        for trial in ranked
    ]
    rejected = [trial for trial in results.trials if trial.status is Status.REJECTED and "parameters" in trial.cost]
    rows += [(trial.number, trial.cost["parameters"], None, REJECTED, False) for trial in rejected]
    return _frame(rows, ["trial", "parameters", "value", "group", "front"])


def curves(results: Results) -> pd.DataFrame:
    """The metric by epoch, of every trial: MOST_POINTS epochs at most, fewer where all together would be too many.

    Columns: trial, group, epoch, value.
    """
    group, recorded = groups(results), sum(len(trial.curve) for trial in results.trials)
    share = min(1.0, MOST_OF_ALL / max(1, recorded))
    rows = [
        (trial.number, group[trial.number], epoch, trial.curve[epoch])
        for trial in results.trials
        for epoch in thinned(sorted(trial.curve), most=min(MOST_POINTS, max(2, round(share * len(trial.curve)))))
    ]
    return _frame(rows, ["trial", "group", "epoch", "value"])


def history(results: Results) -> pd.DataFrame:
    """What each trial ended with, in the order of numbers. Columns: trial, group, value, best so far.

    Only completed trials move `best so far`. Trials that never recorded a value are left out.
    """
    better = max if results.study.metric.goal == "maximize" else min
    best: float | None = None
    group = groups(results)
    rows = []
    for trial in results.trials:
        value = last_value(trial)
        if value is None:
            continue
        if trial.status is Status.COMPLETE:
            best = value if best is None else better(best, value)
        rows.append((trial.number, group[trial.number], value, best))
    return _frame(rows, ["trial", "group", "value", "best so far"])


def coordinates(results: Results) -> pd.DataFrame:
    """Where each completed trial lies on each searched setting. Columns: trial, group, value, setting, at, position.

    `position` runs from 0 to 1 over the searched range (on a log scale where it was searched so) or the list of
    values; trials in which a conditional setting is absent have no row for it. The metric's own rows
    come first. Empty where nothing is searched.
    """
    ranked = results.ranked() if results.study.space.dimensions else []
    upper = {trial.number for trial in ranked[: max(1, len(ranked) // 4)]}
    words, dimensions = measure(results.study.metric), results.study.space.dimensions
    rows: list[tuple[Any, ...]] = []
    for trial, position in zip(ranked, _spread([trial.value or 0.0 for trial in ranked]), strict=True):
        group = _rank_group(trial, ranked, upper)
        rows.append((trial.number, group, trial.value, metric_row(results), words.show(trial.value), position))
        for dimension in dimensions:
            if dimension.key in trial.parameters:
                at = trial.parameters[dimension.key]
                rows.append((trial.number, group, trial.value, dimension.key, setting(at), position_of(dimension, at)))
    return _frame(rows, ["trial", "group", "value", "setting", "at", "position"])


def metric_row(results: Results) -> str:
    """The name of the metric's axis among those of the settings, one of which may be called the same."""
    name = measure(results.study.metric).axis
    return f"{name} (metric)" if name in results.study.parameters else name


def ticks(dimension: Dimension) -> list[tuple[float, str]]:
    """The marks along a setting's axis: every value of a list, or the ends and the middle of a range."""
    if isinstance(dimension, Categorical):
        return [(position_of(dimension, value) or 0.0, setting(value)) for value in dimension.values]
    assert isinstance(dimension, Numeric)
    low, high = float(dimension.low), float(dimension.high)
    middle = math.sqrt(low * high) if dimension.log else (low + high) / 2
    marks = [(0.0, setting(dimension.low)), (1.0, setting(dimension.high))]
    return marks if dimension.integer else [marks[0], (0.5, setting(float(f"{middle:.2g}"))), marks[1]]


def position_of(dimension: Dimension, value: Any) -> float | None:
    """Where a value lies on its axis, from 0 to 1; None outside the searched range."""
    if isinstance(dimension, Categorical):
        names = [setting(choice) for choice in dimension.values]
        return (names.index(setting(value)) + 0.5) / len(names) if setting(value) in names else None
    assert isinstance(dimension, Numeric)
    low, high, at = float(dimension.low), float(dimension.high), float(value)
    if not low <= at <= high:
        return None
    if low == high:
        return 0.5
    if dimension.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low)


def importance(found: Sequence[Importance]) -> pd.DataFrame:
    """The searched settings by method, most important by the first method first.

    Columns: method, setting, importance, low, high. The ends are the 95 % bootstrap interval or, where that was not
    computed, one standard deviation to either side.
    """
    columns = ["method", "setting", "importance", "low", "high"]
    first = found[0].means if found else {}
    rows = []
    for one in found:
        ends = [(key, mean, *_ends(one, key, mean)) for key, mean in one.means.items()]
        ends.sort(key=lambda row: (-first.get(row[0], 0.0), row[0]))
        rows += [(one.method, *row) for row in ends]
    return _frame(rows, columns)


def survivors(results: Results) -> pd.DataFrame:
    """How many trials were trained up to each epoch, and how many early termination stopped there.

    Columns: epoch, reached, stopped, rung (whether trials were judged at it). Empty without early termination.
    """
    stop = results.study.early_terminate
    lengths = sorted(trial.epochs for trial in results.trials if trial.epochs)
    if stop is None or not lengths:
        return _frame([], ["epoch", "reached", "stopped", "rung"])
    rungs = {*rule_of(stop, lengths[-1], results.study.metric.goal).judged(stop.max_iter or lengths[-1])}
    pruned = [trial.epochs for trial in results.trials if trial.status is Status.PRUNED]
    epochs = thinned(sorted({*range(1, lengths[-1] + 1)}), keep=rungs)
    reached = [len(lengths) - bisect_right(lengths, epoch - 1) for epoch in epochs]
    rows = [(epoch, number, pruned.count(epoch), epoch in rungs) for epoch, number in zip(epochs, reached, strict=True)]
    return _frame(rows, ["epoch", "reached", "stopped", "rung"])


def timeline(results: Results) -> pd.DataFrame:
    """When each trial held a device, in minutes since the first began. Columns: trial, group, start, finish.

    Trials that never began are left out; a running one lasts until the latest moment known.
    """
    begun = [(trial, trial.started) for trial in results.trials if trial.started and trial.status in TRAINED]
    if not begun:
        return _frame([], ["trial", "group", "start", "finish"])
    group = groups(results)
    origin = min(started for _, started in begun)
    latest = max([started for _, started in begun] + [trial.finished for trial, _ in begun if trial.finished])
    rows = [
        (
            trial.number,
            group[trial.number],
            _minutes(origin, started),
            _minutes(origin, max(started, trial.finished or latest)),  # a clock that was set back draws no length
        )
        for trial, started in begun
    ]
    return _frame(rows, ["trial", "group", "start", "finish"])


TRAINED = frozenset({status for status in Status if status.counted} | {Status.FAILED, Status.RUNNING})


def groups(results: Results) -> dict[int, str]:
    """How the figures set each trial off, by number: best, baseline, or its status."""
    named = {trial.number: trial.status.value for trial in results.trials}
    baseline = baseline_trial(results)
    if baseline is not None and baseline.status is Status.COMPLETE:
        named[baseline.number] = BASELINE
    return named | {trial.number: BEST for trial in results.ranked()[:1]}


def thinned(epochs: Sequence[int], keep: Collection[int] = (), most: int = MOST_POINTS) -> list[int]:
    """At most `most` of ascending `epochs`, evenly spaced, first and last included; and those in `keep`."""
    if len(epochs) <= most:
        return list(epochs)
    step = (len(epochs) - 1) / (most - 1)
    chosen = {epochs[round(step * place)] for place in range(most)}
    return sorted(chosen | set(keep) & set(epochs))


def _front(ranked: list[Trial]) -> list[Trial]:
    """The trials that none at least as good undercuts; `ranked` is best first."""
    front: list[Trial] = []
    for trial in ranked:
        if not front or trial.cost["parameters"] < front[-1].cost["parameters"]:
            front.append(trial)
    return front


def _rank_group(trial: Trial, ranked: list[Trial], upper: set[int]) -> str:
    if trial is ranked[0]:
        return BEST
    return UPPER if trial.number in upper else COMPLETE


def _ends(found: Importance, key: str, mean: float) -> tuple[float, float]:
    if key in found.lows and key in found.highs:
        return found.lows[key], found.highs[key]
    deviation = found.deviations.get(key, 0.0)
    return mean - deviation, mean + deviation


def _spread(values: list[float]) -> list[float]:
    """Values moved onto 0 to 1; all in the middle where they are equal."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    return [(value - low) / (high - low) if high > low else 0.5 for value in values]


def _minutes(origin: datetime, moment: datetime) -> float:
    return (moment - origin).total_seconds() / 60


def _frame(rows: Sequence[Sequence[Any]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns, dtype=object)
