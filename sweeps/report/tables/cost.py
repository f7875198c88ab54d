"""Compute what a study has cost, and what early termination and the constraints saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sweeps.artifacts.layout import RETUNE
from sweeps.report.tables.frames import frame_of
from sweeps.storage.results import Results
from sweeps.study.resources import device_share
from sweeps.trial.trial import STATES, Status, Trial


@dataclass(frozen=True)
class Cost:
    """The cost of trials in device-hours: the time that they held a device, times the share of it that each had.

    Attributes:
        unit: "GPU-hours" if the trials trained on a GPU, else "CPU-hours".
        total: The hours of all trials.
        by_state: The trials, epochs and hours of each state that occurs: a status, or paused.
        epochs: The epochs trained.
        epochs_full: The epochs without early termination; None if the length of a full trial is not known.
        never_trained: The configurations that the constraints rejected.
        cached: The runs from the result cache, which held no device here.
        stopped_hours: The hours that the missing epochs of pruned trials would have taken, at each trial's own pace.
        gate_hours: The hours that the rejected configurations would have taken, at the completed trials' pace per MAC;
            None if that is not known.
    """

    unit: str
    total: float
    by_state: dict[str, tuple[int, int, float]]
    epochs: int
    epochs_full: int | None
    never_trained: int
    cached: int = 0
    stopped_hours: float = 0.0
    gate_hours: float | None = None

    @property
    def epochs_saved(self) -> int | None:
        """The epochs that early termination saved; None if that is not known."""
        return None if self.epochs_full is None else self.epochs_full - self.epochs

    @property
    def per_finished(self) -> float | None:
        """The hours of all trials per completed run; None without one."""
        finished = self.by_state.get(Status.COMPLETE, (0, 0, 0.0))[0]
        return self.total / finished if finished else None


def cost_of(results: Results) -> Cost:
    """Return the cost of a study so far, over all stages."""
    return _cost(results, results.everything)


def stage_costs(results: Results) -> dict[str, Cost]:
    """Return the cost of each stage that has begun, by its name; the re-tuning of all arms is one stage."""
    by_stage: dict[str, list[Trial]] = {}
    for trial in results.everything:
        by_stage.setdefault(_stage(trial), []).append(trial)
    return {name: _cost(results, trials) for name, trials in by_stage.items()}


def stages_table(by_stage: Mapping[str, Cost], whole: Cost) -> pd.DataFrame:
    """Return one row per stage and one for all: runs, epochs, hours in all and per completed run, and the savings.

    Args:
        by_stage: The cost of each stage.
        whole: The cost of the study.
    """
    rows = [_stage_row(name, cost, whole) for name, cost in (*by_stage.items(), ("all", whole))]
    saved = [
        "epochs saved by early termination",
        "rejected by the constraints before training",
        "from the result cache",
    ]
    columns = ["stage", "runs", "complete", "epochs", whole.unit, "share", "per completed run", *saved]
    return frame_of(rows, columns)


def cost_table(cost: Cost) -> pd.DataFrame:
    """Return one row per state that occurs and one for all: trials, epochs, hours and their share in percent."""
    rows = [(state, *sums) for state, sums in cost.by_state.items()]
    rows.append(("all", sum(row[1] for row in rows), cost.epochs, cost.total))
    frame = pd.DataFrame(rows, columns=["status", "trials", "epochs", cost.unit])
    frame["share"] = frame[cost.unit] / cost.total * 100 if cost.total else None
    return frame.astype(object)


def _cost(results: Results, trials: Sequence[Trial]) -> Cost:
    device = results.environment.get("device", "cpu")
    share = device_share(results.settled_study, device)
    present = {trial.state for trial in trials}
    by_state = {state: _sums(trials, state, share) for state in STATES if state in present}
    epochs, length = sum(_trained(trial) for trial in trials), _full_length(results)
    return Cost(
        unit="CPU-hours" if device == "cpu" else "GPU-hours",
        total=sum(hours for _, _, hours in by_state.values()),
        by_state=by_state,
        epochs=epochs,
        epochs_full=_epochs_full(trials, epochs, length),
        never_trained=sum(trial.status is Status.REJECTED for trial in trials),
        cached=sum(bool(trial.source) for trial in trials),
        stopped_hours=sum(_stopped_seconds(trial, length or 0) for trial in trials) * share / 3600,
        gate_hours=_gate_hours(results, trials, share),
    )


def _gate_hours(results: Results, trials: Sequence[Trial], share: float) -> float | None:
    """The hours that the rejected configurations would have taken; None without a pace."""
    pace = _pace(results.trials)
    rejected = [trial for trial in trials if trial.status is Status.REJECTED and trial.cost.get("macs")]
    return pace and pace * sum(trial.cost["macs"] for trial in rejected) * share / 3600


def _stopped_seconds(trial: Trial, length: int) -> float:
    """The time that a pruned trial's missing epochs would have taken at its own pace."""
    if trial.status is not Status.PRUNED or not trial.epochs:
        return 0.0
    return trial.seconds / trial.epochs * _missing_epochs(trial, length)


def _pace(trials: Sequence[Trial]) -> float | None:
    """Seconds per MAC of completed trials; None if no trial has both."""
    timed = [
        trial for trial in trials if trial.status is Status.COMPLETE and trial.cost.get("macs") and not trial.source
    ]
    macs = sum(trial.cost["macs"] for trial in timed)
    return sum(trial.seconds for trial in timed) / macs if macs else None


def _stage(trial: Trial) -> str:
    return RETUNE.rstrip("-") if trial.stage.startswith(RETUNE) else trial.stage


def _stage_row(name: str, cost: Cost, whole: Cost) -> tuple[Any, ...]:
    runs = sum(trials for trials, _, _ in cost.by_state.values())
    complete = cost.by_state.get(Status.COMPLETE, (0, 0, 0.0))[0]
    share = cost.total / whole.total * 100 if whole.total else None
    saved = (cost.epochs_saved or None, cost.never_trained or None, cost.cached or None)
    return (name, runs, complete, cost.epochs, cost.total, share, cost.per_finished, *saved)


def _sums(trials: Sequence[Trial], state: str, share: float) -> tuple[int, int, float]:
    """The trials in one state, their epochs and their hours."""
    ended = [trial for trial in trials if trial.state == state]
    # The seconds of a run from the cache were spent in another study.
    hours = sum(trial.seconds for trial in ended if not trial.source) * share / 3600
    return len(ended), sum(_trained(trial) for trial in ended), hours


def _trained(trial: Trial) -> int:
    """The epochs trained in this study: those of a run from the cache were trained in another."""
    return 0 if trial.source else trial.epochs


def _epochs_full(trials: Sequence[Trial], epochs: int, length: int | None) -> int | None:
    pruned = [trial for trial in trials if trial.status is Status.PRUNED]
    if pruned and length is None:
        return None
    return epochs + sum(_missing_epochs(trial, length or 0) for trial in pruned)


def _missing_epochs(trial: Trial, length: int) -> int:
    return max(0, length - trial.epochs)


def _full_length(results: Results) -> int | None:
    """The epochs of a trial that is not stopped: those of completed ones or, before any, those in the study file."""
    complete = [trial.epochs for trial in results.trials if trial.status is Status.COMPLETE and trial.epochs]
    if complete:
        return max(complete)
    section, epochs = results.study.early_terminate, results.study.baseline.get("epochs")
    if section is not None and section.max_iter:
        return int(section.max_iter)
    return epochs if isinstance(epochs, int) else None
