"""Base class of the stage schedulers: hands out jobs, records epochs, ends trials."""

from __future__ import annotations

import difflib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sweeps.artifacts.checkpoint import EVERY_S
from sweeps.io.errors import UserError
from sweeps.runners.protocol import (
    MAX_DEVICE_LOSSES,
    MAX_WORKER_DEATHS,
    Decision,
    DeviceLoss,
    End,
    Epoch,
    Job,
    Note,
    Preemption,
)
from sweeps.runners.watchdog import was_hung
from sweeps.stages.context import Context
from sweeps.stats.goal import sign
from sweeps.storage.result_cache import CachedRun
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.stages import Stage
from sweeps.trial.trial import Outcome, Status, Trial, diverged_in

MAX_FAILURES_IN_A_ROW = 3


class UnknownMetric(UserError):
    """The workload does not yield the study's metric."""


class StageScheduler(ABC):
    """The scheduler of one stage, or of a part of one whose trials are stored under one name.

    Everything that it decides by is in its storage, so that a restart decides the same.

    Args:
        context: The parts of the running study.
        stage: The stage whose data access and budget apply.
        storage: The trials of this scheduler.

    Attributes:
        failure: Why it gave up; empty while it has not.
        cut: Whether the budget keeps it from going on.
    """

    def __init__(self, context: Context, stage: Stage, storage: StageStorage) -> None:
        self.stage = stage
        self.failure = ""
        self.cut = False
        self._context = context
        self._study = context.study
        self._storage = storage
        self._curves = {trial.number: dict(trial.curve) for trial in storage.trials()}
        self._running: dict[int, Job] = {}
        self._device_lost: set[int] = set()  # the trials whose process has lost its device and is about to end
        self._failures_in_a_row = 0
        self._cached: dict[int, str] = {}  # the source of each running trial that the result cache supplies

    # -- what subclasses decide -------------------------------------------------------------------------------------

    @abstractmethod
    def pending(self) -> bool:
        """Whether a run could be started now, or once the running ones have ended."""

    @abstractmethod
    def _next(self) -> Job | None:
        """The next trial to start, with its recipe and seeds; None if there is none now."""

    @abstractmethod
    def _ended(self, job: Job, trial: Trial) -> None:
        """A trial has ended and has been recorded."""

    def _used_by_next(self) -> float:
        """The device-seconds that the next trial has used already, in an earlier start."""
        return 0.0

    def _affordable(self) -> bool:
        """Whether the budget admits another run; one that a killed driver left needs only the rest of its time."""
        return self._context.budget.admits(self.stage, self._storage.stage, self._used_by_next())

    def _noted_at_start(self, job: Job) -> dict[str, Any]:
        """The attributes of a trial that are recorded as it starts, or continues."""
        return {"drift": self._context.drift} if self._context.drift else {}

    def _until(self, job: Job) -> int | None:
        """The epoch after which a run pauses; None if it goes on to its end."""
        return None

    def _judged(self, number: int) -> Outcome | None:
        """How a trial ends after the epoch that was just recorded; None if it goes on."""
        return None

    def _patience(self) -> int:
        """How many failures in a row end the stage."""
        return MAX_FAILURES_IN_A_ROW

    def _keeps_checkpoint(self, number: int) -> bool:
        """Whether the checkpoint of a trial is kept even if the trial does not complete."""
        return False

    def _instead_of_chance(self) -> float | None:
        """The value of a diverged run where the workload defines no chance level; None if there is none."""
        return None

    # -- the protocol `Scheduler` -----------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether no job runs and none is left that may be started."""
        return not self._running and (self.cut or bool(self.failure) or not self.pending())

    @property
    def stopping(self) -> bool:
        """Whether it has given up."""
        return bool(self.failure)

    def suggest(self) -> Job | None:
        """Return a job to start now; None if there is none until a running one ends, or at all."""
        while not self.failure:
            if not self._affordable():
                self.cut = self.pending()
                return None
            job = self._next()
            if job is None:
                return None
            cached = self._context.cache.find(job.key)
            missing = self._context.references.missing(job.settings) if cached is None else ""
            if cached is not None:
                self._replay(job, cached)
            elif missing:
                self._refuse(job, missing)
            else:
                return self._start(job)
        return None

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch. STOP where the trial diverged or is stopped early."""
        number, curve = job.number, self._curves[job.number]
        if not self._repeated(job, epoch):
            self._context.budget.spend(self._storage.stage, number, epoch.seconds)
        if epoch.number < max(curve, default=0):  # of repeated epochs only the latest is judged again
            return Decision.CONTINUE
        name = self._study.metric.name
        broken = _not_finite(epoch.metrics, name)
        metrics = self._with_chance(number, epoch.metrics) if broken else dict(epoch.metrics)
        if broken and name not in metrics:  # no bad value is known yet: without a value Optuna ranks the trial last
            return self._stop(number, diverged_in(epoch.number, broken, epoch.metrics[broken]), epoch.seconds)
        if name not in metrics and not job.final:
            self._require_known_metric(metrics)
            return self._stop(number, Outcome(Status.FAILED, self._not_yielded(metrics)), epoch.seconds)
        self._storage.record_epoch(number, epoch.number, metrics, epoch.seconds)
        if name in metrics:
            curve.setdefault(epoch.number, metrics[name])
        self._context.observer.on_epoch(self._storage.stage, number, epoch.number, metrics)
        outcome = diverged_in(epoch.number, broken, epoch.metrics[broken]) if broken else self._judged(number)
        return self._stop(number, outcome) if outcome else Decision.CONTINUE

    def on_end(self, job: Job, end: End) -> None:
        """Record how a job ended."""
        self._context.budget.spend(self._storage.stage, job.number, end.seconds)
        outcome = end.outcome
        if outcome.status is Status.COMPLETE and not self._curves[job.number]:
            outcome = Outcome(Status.FAILED, "the workload ended without yielding any metric")
        value = self._value(job.number) if outcome.status is Status.COMPLETE else None
        self._finish(job.number, outcome, value, end.seconds)

    def on_device_loss(self, job: Job, loss: DeviceLoss) -> Decision:
        """Count that a trial lost its device. STOP after more than `MAX_DEVICE_LOSSES` times."""
        losses = int(self._storage.noted(job.number, "device_losses") or 0) + 1
        self._storage.annotate(job.number, device_losses=losses)
        reason = loss.outcome.reason
        if losses > MAX_DEVICE_LOSSES:
            outcome = replace(loss.outcome, reason=f"its device failed {losses} times, at last with {reason}")
            self.on_end(job, End(outcome, loss.seconds))
            return Decision.STOP
        self._device_lost.add(job.number)
        self._context.budget.spend(self._storage.stage, job.number, loss.seconds)
        epoch = max(self._curves[job.number], default=0)
        self._context.observer.on_note(
            f"{self._storage.stage} {job.number}: its device failed after epoch {epoch} ({reason}): once more from its "
            "checkpoint, in a new process"
        )
        return Decision.CONTINUE

    def on_preempted(self, job: Job, preemption: Preemption) -> None:
        """Record that a job left at its checkpoint: it continues at the next start."""
        self._context.budget.leave(self._storage.stage, job.number)

    def on_note(self, job: Job, note: Note) -> None:
        """Pass a message about a job on to the observer."""
        self._context.observer.on_note(f"{job.stage} {job.number}: {note.text}")

    def on_death(self, job: Job) -> Decision:
        """Count that the process of a trial died. STOP after `MAX_WORKER_DEATHS` times."""
        if was_hung(job.folder):  # the watchdog killed it; the next process reports the trial as failed
            return Decision.CONTINUE
        if job.number in self._device_lost:  # it ended itself
            self._device_lost.remove(job.number)
            return Decision.CONTINUE
        deaths = int(self._storage.noted(job.number, "deaths") or 0) + 1
        self._storage.annotate(job.number, deaths=deaths)
        if deaths > MAX_WORKER_DEATHS:
            why = f"its worker died {deaths} times (killed, or out of host memory)"
            return self._stop(job.number, Outcome(Status.FAILED, why))
        epoch = max(self._curves[job.number], default=0)
        self._context.observer.on_note(
            f"{self._storage.stage} {job.number}: its worker died (killed, or out of host memory) after epoch {epoch}: "
            f"restarting from its checkpoint (death {deaths} of {MAX_WORKER_DEATHS})"
        )
        return Decision.CONTINUE

    def _repeated(self, job: Job, epoch: Epoch) -> bool:
        """Whether an epoch has been recorded before: after a kill it is trained again from an earlier checkpoint."""
        return epoch.number <= self._storage.last_epoch(job.number)

    def _require_known_metric(self, metrics: Mapping[str, float]) -> None:
        """Raise UnknownMetric unless a run of this study has yielded the metric: then this run alone is broken."""
        recorded = (trial.curve for trial in self._context.storage.results().everything)
        if not any(self._curves.values()) and not any(recorded):
            raise UnknownMetric(f"metric.name: {self._not_yielded(metrics)}")

    def _not_yielded(self, metrics: Mapping[str, float]) -> str:
        name = self._study.metric.name
        nearest = difflib.get_close_matches(name, metrics, n=1)
        question = f"did you mean {nearest[0]!r}? " if nearest else ""
        return f"the workload yields no {name!r}; {question}it yields: {', '.join(metrics) or 'nothing'}"

    # -- starting and ending trials ---------------------------------------------------------------------------------

    def _start(self, job: Job) -> Job:
        """Record that a trial starts, or continues; the job with the place where it runs."""
        number = job.number
        self._running[number] = job
        self._storage.begin(number, job.settings, job.cost, job.seed, job.key, **self._noted_at_start(job))
        self._curves.setdefault(number, {})
        rows = self._storage.rows(number)
        used = sum(row["device_seconds"] for row in rows)
        resumed_at = max((int(row["epoch"]) for row in rows), default=0)
        self._context.budget.start(self._storage.stage, number, used)
        self._context.observer.on_start(self._storage.stage, number, job.label, resumed_at)
        return self._placed(job)

    def _placed(self, job: Job) -> Job:
        """The job with the device, the folders and the data access of this stage."""
        storage, site = self._context.storage, self._context.site
        return replace(
            job,
            workload=self._context.workload.name,
            device=site.device,
            share=site.share,
            data_dir=site.data_dir,
            folder=self._storage.trial_folder(job.number),
            access=self.stage.access,
            runs_dir=storage.folder.parent.absolute(),
            stop_file=storage.stop_file,
            until=self._until(job),
            timeout_s=self._study.trial_timeout,
            checkpoint_every=EVERY_S if self._study.checkpoint_every is None else self._study.checkpoint_every,
        )

    def _refuse(self, job: Job, reason: str) -> None:
        """End a trial that cannot be trained because something it needs is missing here."""
        self._start(job)
        self._finish(job.number, Outcome(Status.FAILED, reason), None, 0.0)

    def _replay(self, job: Job, cached: CachedRun) -> None:
        """Record a run of the result cache as if it had been trained here, in no time."""
        job = self._start(job)
        self._cached[job.number] = cached.source
        for row in cached.rows:
            metrics = {name: value for name, value in row.items() if name not in ("epoch", "device_seconds")}
            if self.on_epoch(job, Epoch(int(row["epoch"]), metrics, 0.0)) is Decision.STOP:
                return
        self.on_end(job, End(Outcome(Status.COMPLETE), 0.0, cached.trial.metrics))

    def _stop(self, number: int, outcome: Outcome, seconds: float = 0.0) -> Decision:
        self._finish(number, outcome, None, seconds)
        return Decision.STOP

    def _finish(self, number: int, outcome: Outcome, value: float | None, seconds: float) -> None:
        """End a trial; `seconds` is the device time since its last recorded epoch."""
        job = self._running.pop(number)
        self.cut = False  # the time that it did not use may admit another run
        if number in self._cached:
            self._storage.annotate(number, source=self._cached.pop(number))
        device_seconds = seconds + self._storage.device_seconds(number)
        keep = self._keeps_checkpoint(number)
        trial = self._storage.finish(number, outcome, value, round(device_seconds, 4), keep=keep)
        self._context.budget.end(trial)
        self._context.cache.note(trial, self._context.storage.folder.name)
        self._ended(job, trial)
        self._give_up_after_failures(trial)
        self._context.observer.on_end(trial)

    def _give_up_after_failures(self, trial: Trial) -> None:
        self._failures_in_a_row = self._failures_in_a_row + 1 if trial.status is Status.FAILED else 0
        if self._failures_in_a_row >= self._patience():
            self.failure = f"{self._failures_in_a_row} trials in a row failed, the last one with: {trial.reason}"

    def _value(self, number: int) -> float:
        """The trial's result: the last or the best value of its curve, as `metric.at` says."""
        curve = self._curves[number]
        if self._study.metric.at == "last":
            return curve[max(curve)]
        return max(curve.values(), key=lambda value: sign(self._study.metric.goal) * value)

    def _with_chance(self, number: int, metrics: Mapping[str, float]) -> dict[str, float]:
        """The metrics of a diverged run, with the study's metric at chance level.

        Without the metric where neither the workload nor the stage defines one.
        """
        name = self._study.metric.name
        recipe = self._context.workload.schema.validate(self._running[number].settings)
        chance = self._context.workload.chance(recipe).get(name)
        if chance is None:
            chance = self._instead_of_chance()
        others = {key: value for key, value in metrics.items() if key != name}
        return others if chance is None else {**others, name: chance}


def _not_finite(metrics: Mapping[str, float], metric: str) -> str:
    """The name of the study's metric or of a loss that is not finite; empty if all are finite."""
    watched = (name for name in metrics if name == metric or name.endswith("loss"))
    return next((name for name in watched if not math.isfinite(metrics[name])), "")
