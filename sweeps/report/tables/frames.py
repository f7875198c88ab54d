"""Build the data frames of a report's CSV files; the page shows parts of them."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from sweeps.artifacts.layout import FINAL
from sweeps.duplicates.record import DUPLICATES, DuplicateRecord
from sweeps.evidence.caveats import changes
from sweeps.evidence.findings import Findings
from sweeps.formatting import setting
from sweeps.storage.results import COMPLETE, ENDED, Results
from sweeps.trial.arm import BASELINE
from sweeps.trial.trial import Status, Trial
from sweeps.workload.protocol import GPU_MEMORY

TOP = 10
COSTS = ("parameters", "trainable_parameters", "macs")
# The columns of a trial's facts. The searched settings have columns of their own keys.
BEFORE = ("trial", "status", "role")
MEASURED = (*COSTS, "epochs trained", "seconds")
AFTER = ("seed", "started", "finished", "reason")
IMPUTED = "chance level: the run diverged"
RARE = ("worker deaths", "drift", "imputed")  # left out unless some trial has a value, as is GPU_MEMORY
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
    """Return a data frame of the dtype object, which keeps integers beside empty cells and cells of any type."""
    return pd.DataFrame(rows, columns=pd.Index(list(columns), dtype=object), dtype=object)


def missing(value: Any) -> bool:
    """Whether a cell is empty."""
    return value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def setting_keys(results: Results) -> list[str]:
    """Return the keys of the searched settings: those of the space in its order, then any that only trials have."""
    keys = dict.fromkeys(dimension.key for dimension in results.study.space.dimensions)
    for trial in results.trials:
        keys.update(dict.fromkeys(trial.parameters))
    return list(keys)


def setting_column(key: str, taken: Collection[str]) -> str:
    """Return the name of a setting's column: its key, marked if a column of this name is already `taken`."""
    return f"{key} (setting)" if key in taken else key


def setting_cell(value: Any) -> Any:
    """Return a setting as a cell. Lists and mappings become JSON text, so that a column can be sorted and grouped."""
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def last_value(trial: Trial) -> float | None:
    """Return the value of a completed trial, or the last finite metric that was measured of any other."""
    if trial.status is Status.COMPLETE and trial.value is not None:
        return trial.value
    finite = [epoch for epoch, value in trial.measured.items() if math.isfinite(value)]
    return trial.curve[max(finite)] if finite else None


def trials_table(findings: Findings, trials: Iterable[Trial] | None = None) -> pd.DataFrame:
    """Return one row per trial of the search.

    Args:
        findings: The findings of the study.
        trials: The trials in the order of the rows; all trials by default.

    Returns:
        The facts and searched settings of each trial; empty cells are None. The metric's column has the value of a
        completed trial and the last recorded metric of any other.
    """
    results = findings.results
    keys = setting_keys(results)
    facts = (*BEFORE, results.study.metric.name, *MEASURED, GPU_MEMORY, *AFTER, *RARE)
    settings = [setting_column(key, {*facts, "rank"}) for key in keys]
    baseline = findings.baseline_trial
    shown = results.trials if trials is None else tuple(trials)
    rows = [_row(trial, keys, BASELINE if trial is baseline else None) for trial in shown]
    columns = [*BEFORE, results.study.metric.name, *MEASURED, *settings, *AFTER, *RARE]
    return _with_gpu_memory(_without_empty(frame_of(rows, columns)), shown, findings)


def best_table(findings: Findings, top: int = TOP) -> pd.DataFrame:
    """Return the `top` completed trials with their rank, and the baseline after them if it is not among them."""
    ranked, baseline = findings.ranked, findings.baseline_trial
    rank = {trial.number: place for place, trial in enumerate(ranked, start=1)}
    shown = [*ranked[:top], *(trial for trial in ranked[top:] if trial is baseline)]
    frame = trials_table(findings, shown)
    frame.insert(0, "rank", pd.Series([rank[trial.number] for trial in shown], dtype=object))
    return frame


def not_completed_table(findings: Findings) -> pd.DataFrame:
    """Return the trials of the search that ended otherwise than complete, by status and number."""
    order = {status: place for place, status in enumerate(NEVER_COMPLETED)}
    ended = [trial for trial in findings.results.trials if trial.status in order]
    return trials_table(findings, sorted(ended, key=lambda trial: (order[trial.status], trial.number)))


def curves_table(results: Results) -> pd.DataFrame:
    """Return the study's metric by trial of the search and epoch: columns trial, epoch and the metric's name."""
    rows = [(trial.number, epoch, value) for trial in results.trials for epoch, value in sorted(trial.measured.items())]
    return pd.DataFrame(rows, columns=pd.Index(["trial", "epoch", results.study.metric.name], dtype=object))


def replicates_table(results: Results) -> pd.DataFrame:
    """Return the runs of the stages after the search, in the order of stages and numbers; empty cells are None.

    The study's metric is that on validation data, which the stage final does not have: its figures are in a column for
    each labelled set and metric, such as test.accuracy. The figure of a diverged run is the chance level with which it
    counts; the column imputed says so.
    """
    columns = ["stage", "trial", "arm", "replicate", "status", results.study.metric.name, "epochs trained", "seconds"]
    runs = [trial for stage in results.stages.values() for trial in stage.trials]
    sets = list(dict.fromkeys(name for trial in runs for name in labelled_figures(trial)))
    rows = [
        (
            *(trial.stage, trial.number, trial.variant or None, trial.replicate, trial.status.value),
            *(_counted(trial), trial.epochs, trial.seconds),
            *(trial.seed, trial.recipe or None, trial.source or None, trial.reason or None),
            *map(labelled_figures(trial).get, sets),
            *(trial.deaths or None, trial.drift or None, IMPUTED if trial.imputed else None),
        )
        for trial in runs
    ]
    names = [*columns, "seed", "recipe", "taken from", "reason", *sets, *RARE]
    return _without_empty(frame_of(rows, names))


def labelled_figures(trial: Trial) -> dict[str, float]:
    """Return the figures of a run of the stage final, by labelled set and metric: "test.accuracy"."""
    return {f"{part}.{name}": value for part, values in trial.metrics.items() for name, value in values.items()}


def _counted(trial: Trial) -> float | None:
    """The validation figure with which a run counts; else the last one that was measured."""
    if trial.stage == FINAL:
        return None
    return trial.figure if trial.figure is not None else last_value(trial)


def with_last_epochs(
    frame: pd.DataFrame, trials: Sequence[Trial], last_epochs: Mapping[tuple[str, int], Mapping[str, float]]
) -> pd.DataFrame:
    """Return a frame of trials with a column for each metric beside the study's, as of the last epoch.

    Args:
        frame: One row per trial.
        trials: The trials in the order of the rows.
        last_epochs: The metrics by stage and number, as in `Findings.last_epochs`.
    """
    rows = [last_epochs.get((trial.stage, trial.number), {}) for trial in trials]
    taken = set(frame.columns)
    names = dict.fromkeys(name for row in rows for name in row if name != GPU_MEMORY or name not in taken)
    columns = {f"{name} (metric)" if name in taken else name: [row.get(name) for row in rows] for name in names}
    return frame.assign(**{name: pd.Series(values, dtype=object) for name, values in columns.items()})


def openings_table(openings: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return each opening of the test set: its time, command and study, and the number of runs."""
    names = ["at", "command", "study", "runs"]
    rows = [[_text(opening.get(name)) for name in names] for opening in openings]
    return frame_of(rows, names)


def provenance_table(environment: Mapping[str, Any]) -> pd.DataFrame:
    """Return a nested mapping as two columns: `what`, the dotted key, and `value`, as text."""
    # The accepted changes are nested lists; they are shown in words. How the last run ended is part of the answer.
    plain = {key: value for key, value in environment.items() if key not in ("drift", "updated", ENDED, COMPLETE)}
    plain |= _times(environment)
    if "workload" in plain:  # the hash of the code stands for those of its files
        plain["workload"] = {key: value for key, value in plain["workload"].items() if key != "files"}
    if plain:
        plain[DUPLICATES] = str(DuplicateRecord.of(environment) or "not checked")
    rows = [(key, setting(value)) for key, value in flat({**plain, **changes(environment)})]
    return frame_of(rows, ["what", "value"])


def _times(environment: Mapping[str, Any]) -> dict[str, Any]:
    """When the last run of a study began and ended."""
    times: dict[str, Any] = {}
    if environment.get("updated"):
        times["last run started"] = environment["updated"]
    if (ended := environment.get(ENDED)) and ended.get("at"):
        times["last run ended"] = ended["at"]
    return times


def _row(trial: Trial, keys: list[str], role: str | None) -> list[Any]:
    times = [moment.isoformat(timespec="seconds") if moment else None for moment in (trial.started, trial.finished)]
    return [
        *(trial.number, trial.state, role, last_value(trial)),
        *(*(trial.cost.get(name) for name in COSTS), trial.epochs, trial.seconds),
        *(setting_cell(trial.parameters.get(key)) for key in keys),
        *(trial.seed, *times, trial.reason or None),
        *(trial.deaths or None, trial.drift or None, None),
    ]


def _with_gpu_memory(frame: pd.DataFrame, trials: Sequence[Trial], findings: Findings) -> pd.DataFrame:
    """Return a frame of trials with the peak of their GPU memory after their time, where it was measured."""
    last = findings.last_epochs
    peaks = [last.get((trial.stage, trial.number), {}).get(GPU_MEMORY) for trial in trials]
    if any(peak is not None for peak in peaks):
        after_time = len(BEFORE) + 1 + len(MEASURED)  # the metric is between them
        frame.insert(after_time, GPU_MEMORY, pd.Series(peaks, dtype=object))
    return frame


def _without_empty(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=[name for name in RARE if frame[name].isna().all()])


def _text(value: Any) -> Any:
    """A cell of an opening: the length of a list, a number as it is, anything else as text."""
    if isinstance(value, list | tuple):
        return len(value)
    return value if value is None or isinstance(value, int) else setting(value)


def flat(node: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield the values of a nested mapping by their dotted keys; mappings in a list are numbered from 1."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) and item for item in value):
            yield from flat({str(place): item for place, item in enumerate(value, 1)}, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
