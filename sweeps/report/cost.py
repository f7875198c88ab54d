"""What a study has cost, and what early termination and the budget gate spared it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from sweeps.results import Results
from sweeps.trial import Status, Trial


@dataclass(frozen=True)
class Cost:
    """Device-hours are the time that the trials held their device times the share of it that each was given.

    `unit` is "GPU-hours" when the trials trained on a GPU, else "device-hours" (each trial's own cores).
    `epochs_full` is what the trained trials would have come to had early termination stopped none; None while that
    is not known. `never_trained` counts the configurations that the budget gate turned away.
    """

    unit: str
    total: float
    by_status: dict[Status, tuple[int, int, float]]  # trials, epochs, hours
    epochs: int
    epochs_full: int | None
    never_trained: int

    @property
    def epochs_saved(self) -> int | None:
        """Epochs that early termination spared."""
        return None if self.epochs_full is None else self.epochs_full - self.epochs

    @property
    def per_finished(self) -> float | None:
        """Hours of the whole study per completed trial; None without one."""
        finished = self.by_status.get(Status.COMPLETE, (0, 0, 0.0))[0]
        return self.total / finished if finished else None


def cost_of(results: Results) -> Cost:
    """The cost of a study so far."""
    on_gpu = results.environment.get("device") == "cuda"
    share = (results.study.resources.gpu or 1.0) if on_gpu else 1.0
    by_status = {status: _sums(results, status, share) for status in Status if results.counts()[status]}
    epochs = sum(trial.epochs for trial in results.trials)
    return Cost(
        unit="GPU-hours" if on_gpu else "device-hours",
        total=sum(hours for _, _, hours in by_status.values()),
        by_status=by_status,
        epochs=epochs,
        epochs_full=_epochs_full(results, epochs),
        never_trained=results.counts()[Status.REJECTED],
    )


def cost_table(cost: Cost) -> pd.DataFrame:
    """One row per status that occurs and one for all: trials, epochs, hours and the share of the hours in percent."""
    rows = [(status.value, *sums) for status, sums in cost.by_status.items()]
    rows.append(("all", sum(row[1] for row in rows), cost.epochs, cost.total))
    frame = pd.DataFrame(rows, columns=["status", "trials", "epochs", cost.unit])
    frame["share"] = frame[cost.unit] / cost.total * 100 if cost.total else None
    return frame.astype(object)


def _sums(results: Results, status: Status, share: float) -> tuple[int, int, float]:
    trials = [trial for trial in results.trials if trial.status is status]
    hours = sum(trial.seconds for trial in trials) * share / 3600
    return len(trials), sum(trial.epochs for trial in trials), hours


def _epochs_full(results: Results, epochs: int) -> int | None:
    pruned = [trial for trial in results.trials if trial.status is Status.PRUNED]
    length = _full_length(results)
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
