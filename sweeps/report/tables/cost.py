"""What a study has cost, and what early termination and the budget gate spared it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sweeps.report.tables.frames import frame_of
from sweeps.storage.results import Results
from sweeps.study.resources import device_share, with_share
from sweeps.trial.trial import Status, Trial


@dataclass(frozen=True)
class Cost:
    """Device-hours are the time that the trials of all stages held their device times the share that each was given.

    `unit` is "GPU-hours" when the trials trained on a GPU, else "CPU-hours".
    `epochs_full` is what the trained trials would have come to had early termination stopped none; None while that
    is not known. `never_trained` counts the configurations that the budget gate turned away, `cached` the runs whose
    figures the result cache supplied: they held no device here. `stopped_hours` is what the rest of the pruned trials
    would have taken at each one's own pace, `gate_hours` what the refused configurations would have taken to the end,
    at the completed trials' pace per MAC; None where that is not known.
    """

    unit: str
    total: float
    by_status: dict[Status, tuple[int, int, float]]  # trials, epochs, hours
    epochs: int
    epochs_full: int | None
    never_trained: int
    cached: int = 0
    stopped_hours: float = 0.0
    gate_hours: float | None = None

    @property
    def epochs_saved(self) -> int | None:
        """Epochs that early termination spared."""
        return None if self.epochs_full is None else self.epochs_full - self.epochs

    @property
    def per_finished(self) -> float | None:
        """Hours of everything per completed run; None without one."""
        finished = self.by_status.get(Status.COMPLETE, (0, 0, 0.0))[0]
        return self.total / finished if finished else None


def cost_of(results: Results) -> Cost:
    """The cost of a study so far, every stage included."""
    return _cost(results, results.everything)


def stage_costs(results: Results) -> dict[str, Cost]:
    """The cost of each stage that has begun, by its name; re-tuning is one stage over all arms."""
    names = dict.fromkeys(_stage(trial) for trial in results.everything)
    return {name: _cost(results, [trial for trial in results.everything if _stage(trial) == name]) for name in names}


def stages_table(results: Results) -> pd.DataFrame:
    """One row per stage and one for all: runs, complete ones, hours in all and per completed run, what was saved."""
    costs = stage_costs(results)
    whole = cost_of(results)
    rows = [_stage_row(name, cost, whole) for name, cost in (*costs.items(), ("all", whole))]
    saved = ["epochs saved by stopping early", "turned away by the budget gate", "from the result cache"]
    columns = ["stage", "runs", "complete", "epochs", whole.unit, "share", "per completed run", *saved]
    return frame_of(rows, columns)


def cost_table(cost: Cost) -> pd.DataFrame:
    """One row per status that occurs and one for all: trials, epochs, hours and the share of the hours in percent."""
    rows = [(status.value, *sums) for status, sums in cost.by_status.items()]
    rows.append(("all", sum(row[1] for row in rows), cost.epochs, cost.total))
    frame = pd.DataFrame(rows, columns=["status", "trials", "epochs", cost.unit])
    frame["share"] = frame[cost.unit] / cost.total * 100 if cost.total else None
    return frame.astype(object)


def _cost(results: Results, trials: Sequence[Trial]) -> Cost:
    on_gpu = results.environment.get("device") == "cuda"
    share = device_share(with_share(results.study, results.environment), "cuda" if on_gpu else "cpu")
    present = {trial.status for trial in trials}
    by_status = {status: _sums(trials, status, share) for status in Status if status in present}
    epochs = sum(_trained(trial) for trial in trials)
    pace = _pace(results.trials)
    length = _full_length(results)
    refused = [trial for trial in trials if trial.status is Status.REJECTED and trial.cost.get("macs")]
    return Cost(
        unit="GPU-hours" if on_gpu else "CPU-hours",
        total=sum(hours for _, _, hours in by_status.values()),
        by_status=by_status,
        epochs=epochs,
        epochs_full=_epochs_full(trials, epochs, length),
        never_trained=sum(trial.status is Status.REJECTED for trial in trials),
        cached=sum(bool(trial.source) for trial in trials),
        stopped_hours=sum(_stopped_seconds(trial, length or 0) for trial in trials) * share / 3600,
        gate_hours=pace and pace * sum(trial.cost["macs"] for trial in refused) * share / 3600,
    )


def _stopped_seconds(trial: Trial, length: int) -> float:
    """What a pruned trial's missing epochs would have taken at its own pace."""
    if trial.status is not Status.PRUNED or not trial.epochs:
        return 0.0
    return trial.seconds / trial.epochs * _rest(trial, length)


def _pace(trials: Sequence[Trial]) -> float | None:
    """Seconds per MAC of a trial that was trained to the end; None where none says."""
    whole = [
        trial for trial in trials if trial.status is Status.COMPLETE and trial.cost.get("macs") and not trial.source
    ]
    macs = sum(trial.cost["macs"] for trial in whole)
    return sum(trial.seconds for trial in whole) / macs if macs else None


def _stage(trial: Trial) -> str:
    return "retune" if trial.stage.startswith("retune-") else trial.stage


def _stage_row(name: str, cost: Cost, whole: Cost) -> tuple[Any, ...]:
    runs = sum(trials for trials, _, _ in cost.by_status.values())
    complete = cost.by_status.get(Status.COMPLETE, (0, 0, 0.0))[0]
    share = cost.total / whole.total * 100 if whole.total else None
    saved = (cost.epochs_saved or None, cost.never_trained or None, cost.cached or None)
    return (name, runs, complete, cost.epochs, cost.total, share, cost.per_finished, *saved)


def _sums(trials: Sequence[Trial], status: Status, share: float) -> tuple[int, int, float]:
    chosen = [trial for trial in trials if trial.status is status]
    hours = sum(trial.seconds for trial in chosen if not trial.source) * share / 3600
    return len(chosen), sum(_trained(trial) for trial in chosen), hours


def _trained(trial: Trial) -> int:
    """Epochs trained here: those of a cached run were trained elsewhere."""
    return 0 if trial.source else trial.epochs


def _epochs_full(trials: Sequence[Trial], epochs: int, length: int | None) -> int | None:
    pruned = [trial for trial in trials if trial.status is Status.PRUNED]
    if pruned and length is None:
        return None
    return epochs + sum(_rest(trial, length or 0) for trial in pruned)


def _rest(trial: Trial, length: int) -> int:
    return max(0, length - trial.epochs)


def _full_length(results: Results) -> int | None:
    """Epochs of a trial that nothing stops: those of completed ones or, before there are any, those written down."""
    complete = [trial.epochs for trial in results.trials if trial.status is Status.COMPLETE and trial.epochs]
    if complete:
        return max(complete)
    last, written = results.study.early_terminate, results.study.baseline.get("epochs")
    if last is not None and last.max_iter:
        return int(last.max_iter)
    return written if isinstance(written, int) else None
