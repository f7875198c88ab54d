"""Compute what a study has cost, and what early termination and the constraints saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeAlias

import pandas as pd

from sweeps.artifacts.layout import RETUNE
from sweeps.formatting import device_name
from sweeps.report.tables.frames import frame_of
from sweeps.storage.results import Results
from sweeps.study.resources import device_share
from sweeps.trial.trial import STATES, Status, Trial

EpochSeconds: TypeAlias = Mapping[tuple[str, int], Sequence[float]]  # by stage and number of a trial
NOT_TIMED: EpochSeconds = {}
# The columns of what a stage saved.
SAVED = (
    "epochs saved by early termination",
    "rejected by the constraints before training",
    "from the result cache",
)


@dataclass(frozen=True)
class Cost:
    """The cost of trials in device-hours: the time that they held a device, times the share of it that each had.

    Attributes:
        device: What the trials trained on, such as "cpu" or "cuda".
        total: The hours of all trials.
        by_state: The trials, epochs and hours of each state that occurs: a status, or paused.
        epochs: The epochs trained.
        epochs_full: The epochs without early termination; None if the length of a full trial is not known.
        never_trained: The configurations that the constraints rejected.
        cached: The runs from the result cache, which held no device here.
        stopped_hours: An estimate of the hours that the missing epochs of pruned trials would have taken: at the mean
            of each trial's own epochs after the first, which may include its start-up.
        gate_hours: An estimate of the hours that the rejected configurations would have taken: by their MACs, at the
            pace of the completed runs without their first epochs; None if that is not known.
        gate_runs: The number of these completed runs.
    """

    device: str
    total: float
    by_state: dict[str, tuple[int, int, float]]
    epochs: int
    epochs_full: int | None
    never_trained: int
    cached: int = 0
    stopped_hours: float = 0.0
    gate_hours: float | None = None
    gate_runs: int = 0

    @property
    def unit(self) -> str:
        """The unit of the hours: "CPU-hours" or "GPU-hours"."""
        return f"{device_name(self.device)}-hours"

    @property
    def title(self) -> str:
        """The title of a column of device time: "CPU time" or "GPU time"."""
        return f"{device_name(self.device)} time"

    @property
    def epochs_saved(self) -> int | None:
        """The epochs that early termination saved; None if that is not known."""
        return None if self.epochs_full is None else self.epochs_full - self.epochs

    @property
    def per_finished(self) -> float | None:
        """The hours of all trials per completed run; None without one."""
        finished = self.by_state.get(Status.COMPLETE, (0, 0, 0.0))[0]
        return self.total / finished if finished else None


def cost_of(results: Results, epochs: EpochSeconds = NOT_TIMED) -> Cost:
    """Return the cost of a study so far, over all stages.

    Args:
        results: The results of the study.
        epochs: The seconds of each trial's epochs, as in `Findings.epoch_seconds`. The estimates of what was saved
            take the whole time of a trial without them, with its start-up.
    """
    return _cost(results, results.everything, epochs)


def stage_costs(results: Results, epochs: EpochSeconds = NOT_TIMED) -> dict[str, Cost]:
    """Return the cost of each stage that has begun, by its name; the re-tuning of all arms is one stage.

    The arguments are those of `cost_of`.
    """
    by_stage: dict[str, list[Trial]] = {}
    for trial in results.everything:
        by_stage.setdefault(_stage(trial), []).append(trial)
    return {name: _cost(results, trials, epochs) for name, trials in by_stage.items()}


def stages_table(by_stage: Mapping[str, Cost], whole: Cost) -> pd.DataFrame:
    """Return one row per stage and one for all: runs, epochs, hours in all and per completed run, and the savings.

    Args:
        by_stage: The cost of each stage.
        whole: The cost of the study.
    """
    rows = [_stage_row(name, cost, whole) for name, cost in (*by_stage.items(), ("all", whole))]
    columns = ["stage", "runs", "complete", "epochs", whole.unit, "share", "per completed run", *SAVED]
    return frame_of(rows, columns)


def cost_table(cost: Cost) -> pd.DataFrame:
    """Return one row per state that occurs and one for all: trials, epochs, hours and their share in percent."""
    rows = [(state, *sums) for state, sums in cost.by_state.items()]
    rows.append(("all", sum(row[1] for row in rows), cost.epochs, cost.total))
    frame = pd.DataFrame(rows, columns=["status", "trials", "epochs", cost.unit])
    frame["share"] = frame[cost.unit] / cost.total * 100 if cost.total else None
    return frame.astype(object)


def _cost(results: Results, trials: Sequence[Trial], times: EpochSeconds) -> Cost:
    device = results.environment.get("device", "cpu")
    share = device_share(results.settled_study, device)
    present = {trial.state for trial in trials}
    by_state = {state: _sums(trials, state, share) for state in STATES if state in present}
    paced = _paced(results)
    epochs, length = sum(_trained(trial) for trial in trials), _full_length(results)
    return Cost(
        device=device,
        total=sum(hours for _, _, hours in by_state.values()),
        by_state=by_state,
        epochs=epochs,
        epochs_full=_epochs_full(trials, epochs, length),
        never_trained=sum(trial.status is Status.REJECTED for trial in trials),
        cached=sum(bool(trial.source) for trial in trials),
        stopped_hours=sum(_stopped_seconds(trial, length or 0, times) for trial in trials) * share / 3600,
        gate_hours=_gate_hours(paced, trials, share, times),
        gate_runs=len(paced),
    )


def _gate_hours(paced: Sequence[Trial], trials: Sequence[Trial], share: float, times: EpochSeconds) -> float | None:
    """The hours that the rejected configurations would have taken; None without a pace."""
    if not paced:
        return None
    seconds = sum(_epoch_seconds(trial, times) * trial.epochs for trial in paced)
    pace = seconds / sum(trial.cost["macs"] for trial in paced)
    rejected = [trial for trial in trials if trial.status is Status.REJECTED and trial.cost.get("macs")]
    return pace * sum(trial.cost["macs"] for trial in rejected) * share / 3600


def _stopped_seconds(trial: Trial, length: int, times: EpochSeconds) -> float:
    """The time that a pruned trial's missing epochs would have taken at its own pace."""
    if trial.status is not Status.PRUNED or not trial.epochs:
        return 0.0
    return _epoch_seconds(trial, times) * _missing_epochs(trial, length)


def _epoch_seconds(trial: Trial, times: EpochSeconds) -> float:
    """The mean time of a trial's epochs after the first; that of all, with its start-up, where it has no other."""
    after_the_first = times.get((trial.stage, trial.number), ())[1:]
    return fmean(after_the_first) if after_the_first else trial.seconds / trial.epochs


def _paced(results: Results) -> list[Trial]:
    """The completed runs, of the search and after it, that give a pace in seconds per MAC."""
    return [
        trial
        for trial in results.everything
        if trial.status is Status.COMPLETE and trial.cost.get("macs") and trial.epochs and not trial.source
    ]


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
