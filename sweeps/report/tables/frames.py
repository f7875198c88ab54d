"""The report's tables as data frames: what the CSV files hold and the page shows a part of."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from sweeps.evidence.caveats import changes
from sweeps.formatting import setting
from sweeps.space.space import TOGGLE
from sweeps.storage.results import Results
from sweeps.trial.trial import Status, Trial

TOP = 10
BASELINE = "baseline"
COSTS = ("parameters", "trainable_parameters", "macs")
# Columns of facts; the searched settings stand beside them under their own keys.
BEFORE = ("trial", "status", "role")
MEASURED = (*COSTS, "epochs trained", "seconds")
AFTER = ("seed", "started", "finished", "reason")
RARE = ("worker deaths", "drift")  # columns that are there where a trial has something in them
NEVER_COMPLETED = (
    Status.PRUNED,
    Status.DIVERGED,
    Status.OUT_OF_MEMORY,
    Status.FAILED,
    Status.REJECTED,
    Status.DUPLICATE,
    Status.ABANDONED,
)


def frame_of(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A data frame of cells as they are, whatever their types."""
    return pd.DataFrame(rows, columns=pd.Index(list(columns), dtype=object), dtype=object)


def missing(value: Any) -> bool:
    """Whether a cell holds nothing."""
    return value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def setting_keys(results: Results) -> list[str]:
    """The searched settings: the dimensions of the space in its order, then any that only trials have."""
    keys = dict.fromkeys(dimension.key for dimension in results.study.space.dimensions)
    for trial in results.trials:
        keys.update(dict.fromkeys(trial.parameters))
    return list(keys)


def setting_column(results: Results, key: str) -> str:
    """The column of a setting: its key, marked where a column of facts already has that name."""
    taken = {*BEFORE, *MEASURED, *AFTER, *RARE, results.study.metric.name, "rank"}
    return f"{key} (setting)" if key in taken else key


def baseline_trial(results: Results) -> Trial | None:
    """Trial 0 when its settings are those of the study's baseline, every one of them written there, else None."""
    first = next((trial for trial in results.trials if trial.number == 0), None)
    if first is None or not first.parameters:
        return None
    settings = {**results.study.space.constants, **first.parameters}
    return first if all(_as_in(results.study.baseline, key, value) for key, value in settings.items()) else None


def last_value(trial: Trial) -> float | None:
    """The metric a trial ended with: its value, or the last finite one that it recorded."""
    if trial.status is Status.COMPLETE and trial.value is not None:
        return trial.value
    finite = [epoch for epoch, value in trial.curve.items() if math.isfinite(value)]
    return trial.curve[max(finite)] if finite else None


def trials_table(results: Results, trials: Iterable[Trial] | None = None) -> pd.DataFrame:
    """One row per trial (all of them by default), in the order given; empty cells are None.

    The metric's column holds the value of a completed trial and the last recorded one of any other.
    """
    chosen = list(results.trials if trials is None else trials)
    keys = setting_keys(results)
    columns = [
        *BEFORE,
        results.study.metric.name,
        *MEASURED,
        *(setting_column(results, key) for key in keys),
        *AFTER,
        *RARE,
    ]
    baseline = baseline_trial(results)
    rows = [_row(trial, keys, BASELINE if trial is baseline else None) for trial in chosen]
    return _without_empty(frame_of(rows, columns))


def best_table(results: Results, top: int = TOP) -> pd.DataFrame:
    """The `top` completed trials, best first, with their rank; the baseline follows where it is not among them."""
    ranked = results.ranked()
    baseline = baseline_trial(results)
    shown = ranked[:top] + [trial for trial in ranked[top:] if trial is baseline]
    frame = trials_table(results, shown)
    frame.insert(0, "rank", pd.Series([ranked.index(trial) + 1 for trial in shown], dtype=object))
    return frame


def not_completed_table(results: Results) -> pd.DataFrame:
    """Every trial that ended otherwise than complete, by status and number."""
    order = {status: place for place, status in enumerate(NEVER_COMPLETED)}
    ended = [trial for trial in results.trials if trial.status in order]
    return trials_table(results, sorted(ended, key=lambda trial: (order[trial.status], trial.number)))


def curves_table(results: Results) -> pd.DataFrame:
    """The metric of every trial at every epoch: columns trial, epoch and the metric's name."""
    rows = [(trial.number, epoch, value) for trial in results.trials for epoch, value in sorted(trial.curve.items())]
    return pd.DataFrame(rows, columns=pd.Index(["trial", "epoch", results.study.metric.name], dtype=object))


def replicates_table(results: Results) -> pd.DataFrame:
    """Every run of the stages after the search, in the order of stages and numbers; empty cells are None."""
    columns = ["stage", "trial", "arm", "replicate", "status", results.study.metric.name, "epochs trained", "seconds"]
    rows = [
        (
            *(trial.stage, trial.number, trial.variant or None, trial.replicate, trial.status.value),
            *(last_value(trial), trial.epochs, trial.seconds),
            *(trial.seed, trial.recipe or None, trial.source or None, trial.reason or None),
            *(trial.deaths or None, trial.drift or None),
        )
        for stage in results.stages.values()
        for trial in stage.trials
    ]
    names = [*columns, "seed", "recipe", "taken from", "reason", *RARE]
    return _without_empty(frame_of(rows, names))


def openings_table(openings: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Each opening of the test set: when, by which command, of which study, for how many runs."""
    names = ["at", "command", "study", "runs"]
    rows = [[_text(opening.get(name)) for name in names] for opening in openings]
    return frame_of(rows, names)


def provenance_table(environment: Mapping[str, Any]) -> pd.DataFrame:
    """A nested mapping as two columns: `what`, the dotted key, and `value`, as text."""
    plain = {key: value for key, value in environment.items() if key != "drift"}
    rows = [(key, setting(value)) for key, value in _flat({**plain, **changes(environment)})]
    return frame_of(rows, ["what", "value"])


def _row(trial: Trial, keys: list[str], role: str | None) -> list[Any]:
    settings = [trial.parameters.get(key) for key in keys]
    costs = [trial.cost.get(name) for name in COSTS]
    times = [moment.isoformat(timespec="seconds") if moment else None for moment in (trial.started, trial.finished)]
    return [
        *(trial.number, trial.status.value, role, last_value(trial)),
        *(*costs, trial.epochs, trial.seconds),
        *(json.dumps(value) if isinstance(value, list | tuple | dict) else value for value in settings),
        *(trial.seed, *times, trial.reason or None),
        *(trial.deaths or None, trial.drift or None),
    ]


def _without_empty(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=[name for name in RARE if frame[name].isna().all()])


def _text(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return len(value)
    return value if value is None or isinstance(value, int) else setting(value)


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _as_in(baseline: Mapping[str, Any], key: str, value: Any) -> bool:
    """Whether the nested `baseline` says `value` at a dotted key. It keeps every part that a toggle could remove."""
    if key.startswith(TOGGLE):
        return value is True
    node: Any = baseline
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return False
        node = node[part]
    if isinstance(node, list | tuple) and isinstance(value, list | tuple):
        return list(node) == list(value)
    return bool(node == value)
