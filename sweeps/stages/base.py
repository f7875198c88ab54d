"""A leg of a study: jobs handed out, epochs recorded, what diverged ended. What every stage shares."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.runners.protocol import DEATHS_ALLOWED, Decision, End, Epoch, Job
from sweeps.runners.watchdog import was_hung
from sweeps.stages.context import Context
from sweeps.storage.result_cache import CachedRun
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.stages import Stage
from sweeps.trial.trial import Outcome, Status, Trial

MAX_FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class Task:
    """A trial that may start: its number in the ledger, its recipe, its seeds, and what people call it."""

    number: int
    settings: Mapping[str, Any]
    cost: Mapping[str, int]
    seed: int
    split_seed: int
    label: str
    key: str


class StageScheduler(ABC):
    """The scheduler of one stage or of a part of it; everything that it decides by stands in its ledger."""

    def __init__(self, context: Context, stage: Stage, ledger: StageStorage) -> None:
        self.stage = stage
        self.failure = ""  # why it gave up, if it did
        self.cut = False  # whether the budget keeps it from going on
        self._context = context
        self._study = context.study
        self._ledger = ledger
        trials = ledger.trials()
        self._curves = {trial.number: dict(trial.curve) for trial in trials}
        self._running: dict[int, Task] = {}
        self._failures_in_a_row = 0
        self._sources: dict[int, str] = {}  # what the result cache gave, until it has ended

    @property
    def done(self) -> bool:
        """Whether nothing of it runs, and nothing is left to run or may run."""
        return not self._running and (self.cut or bool(self.failure) or not self.pending())

    @abstractmethod
    def pending(self) -> bool:
        """Whether a run could be started now or once those that run have ended."""

    @abstractmethod
    def _next(self) -> Task | None:
        """The next trial to start; None when there is none now."""

    def suggest(self) -> Job | None:
        """A job to start now; None when there is none until a running one ends, or at all."""
        while not self.failure:
            if not self._affordable():
                self.cut = self.pending()
                return None
            task = self._next()
            if task is None:
                return None
            found = self._context.cache.find(task.key)
            missing = self._context.references.missing(task.settings) if found is None else ""
            if found is not None:
                self._replay(task, found)
            elif missing:
                self._refuse(task, missing)
            else:
                return self._start(task)
        return None

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch; end the trial where it diverged or is judged to stop."""
        number, curve = job.number, self._curves[job.number]
        self._context.allowance.spend(self._ledger.stage, number, epoch.seconds)
        if epoch.number < max(curve, default=0):  # repeated after a kill; the last one is judged again
            return Decision.CONTINUE
        name = self._study.metric.name
        broken = _not_finite(epoch.metrics, name)
        metrics = self._as_if_guessed(number, epoch.metrics) if broken else dict(epoch.metrics)
        if broken and name not in metrics:  # nothing is known to be bad yet: it is told without a value, as the worst
            return self._stop(number, _diverged(broken, epoch), epoch.seconds)
        if name not in metrics and not job.final:
            reason = f"the workload yields no {name!r} (metric.name); it yields: {', '.join(metrics) or 'nothing'}"
            return self._stop(number, Outcome(Status.FAILED, reason), epoch.seconds)
        self._ledger.record_epoch(number, epoch.number, metrics, epoch.seconds)
        if name in metrics:
            curve.setdefault(epoch.number, metrics[name])
        self._context.observer.on_epoch(self._ledger.stage, number, epoch.number, metrics)
        outcome = _diverged(broken, epoch) if broken else self._judged(number)
        return self._stop(number, outcome) if outcome else Decision.CONTINUE

    def on_end(self, job: Job, end: End) -> None:
        """Record how a trial ended by itself."""
        self._context.allowance.spend(self._ledger.stage, job.number, end.seconds)
        outcome = end.outcome
        if outcome.status is Status.COMPLETE and not self._curves[job.number]:
            outcome = Outcome(Status.FAILED, "the workload ended without yielding any metric")
        value = self._value(job.number) if outcome.status is Status.COMPLETE else None
        self._finish(job.number, outcome, value, end.seconds)

    def on_left(self, job: Job) -> None:
        """A job has left at its checkpoint: it goes on at the next start."""
        self._context.allowance.leave(self._ledger.stage, job.number)

    def on_death(self, job: Job) -> Decision:
        """Count that the process of a trial died: it goes on from its checkpoint in another one, a few times."""
        if was_hung(job.folder):  # which the next process tells
            return Decision.CONTINUE
        deaths = int(self._ledger.noted(job.number, "deaths") or 0) + 1
        self._ledger.annotate(job.number, deaths=deaths)
        if deaths > DEATHS_ALLOWED:
            why = f"its worker died {deaths} times (killed, or out of host memory)"
            return self._stop(job.number, Outcome(Status.FAILED, why))
        epoch = max(self._curves[job.number], default=0)
        self._context.observer.on_note(
            f"{self._ledger.stage} {job.number}: its worker died (killed, or out of host memory) after epoch {epoch}: "
            f"goes on from its checkpoint in another one, {deaths} of {DEATHS_ALLOWED} times"
        )
        return Decision.CONTINUE

    def _affordable(self) -> bool:
        """Whether the budget admits another run; one that a dead driver left behind needs only its rest."""
        return self._context.allowance.admits(self.stage, self._ledger.stage, self._used_by_next())

    def _used_by_next(self) -> float:
        """The device seconds that the next trial has used already."""
        return 0.0

    def _judged(self, number: int) -> Outcome | None:
        """Why a trial stops after the epoch just recorded, if it does."""
        return None

    @abstractmethod
    def _ended(self, task: Task, trial: Trial) -> None:
        """A trial has ended: what the stage makes of it."""

    def _start(self, task: Task) -> Job:
        self._running[task.number] = task
        self._ledger.begin(task.number, task.settings, task.cost, task.seed, task.key)
        if self._context.drift:
            self._ledger.annotate(task.number, drift=self._context.drift)
        self._curves.setdefault(task.number, {})
        rows = self._ledger.rows(task.number)
        used, reached = sum(row["device_seconds"] for row in rows), max((int(row["epoch"]) for row in rows), default=0)
        self._context.allowance.start(self._ledger.stage, task.number, used)
        self._context.observer.on_start(self._ledger.stage, task.number, task.label, reached)
        return self._job(task)

    def _refuse(self, task: Task, reason: str) -> None:
        """End a trial that cannot be trained for what is missing here."""
        self._start(task)
        self._finish(task.number, Outcome(Status.FAILED, reason), None, 0.0)

    def _replay(self, task: Task, found: CachedRun) -> None:
        job = self._start(task)
        self._sources[task.number] = found.source
        for row in found.rows:
            metrics = {name: value for name, value in row.items() if name not in ("epoch", "device_seconds")}
            if self.on_epoch(job, Epoch(int(row["epoch"]), metrics, 0.0)) is Decision.STOP:
                return
        self.on_end(job, End(Outcome(Status.COMPLETE), 0.0, found.trial.metrics))

    def _job(self, task: Task) -> Job:
        return Job(
            stage=self._ledger.stage,
            number=task.number,
            workload=self._context.workload.name,
            settings=task.settings,
            seed=task.seed,
            split_seed=task.split_seed,
            device=self._context.site.device,
            data_dir=self._context.site.data_dir,
            folder=self._ledger.trial_folder(task.number),
            access=self.stage.access,
            runs_dir=self._context.store.folder.parent.absolute(),
            stop_file=self._context.store.stop_file,
            until=self._until(task),
            timeout_s=self._study.trial_timeout,
        )

    def _until(self, task: Task) -> int | None:
        """The epoch after which a run is to leave for a time; None: it goes on to its end."""
        return None

    def _stop(self, number: int, outcome: Outcome, seconds: float = 0.0) -> Decision:
        self._finish(number, outcome, None, seconds)
        return Decision.STOP

    def _finish(self, number: int, outcome: Outcome, value: float | None, seconds: float) -> None:
        """End a trial; `seconds` are those since its last recorded epoch."""
        task = self._running.pop(number)
        self.cut = False  # what it did not use may admit another
        if number in self._sources:
            self._ledger.annotate(number, source=self._sources.pop(number))
        device_seconds = seconds + self._ledger.device_seconds(number)
        trial = self._ledger.finish(number, outcome, value, round(device_seconds, 4))
        self._context.allowance.end(trial)
        self._context.cache.note(trial, self._context.store.folder.name)
        self._ended(task, trial)
        self._give_up_after_failures(trial)
        self._context.observer.on_end(trial)

    def _give_up_after_failures(self, trial: Trial) -> None:
        self._failures_in_a_row = self._failures_in_a_row + 1 if trial.status is Status.FAILED else 0
        if self._failures_in_a_row >= self._patience():
            self.failure = f"{self._failures_in_a_row} trials in a row failed, the last one with: {trial.reason}"

    def _patience(self) -> int:
        """How many failures in a row are no accident any more."""
        return MAX_FAILURES_IN_A_ROW

    def _value(self, number: int) -> float:
        curve = self._curves[number]
        if self._study.metric.at == "last":
            return curve[max(curve)]
        return max(curve.values()) if self._study.metric.goal == "maximize" else min(curve.values())

    def _as_if_guessed(self, number: int, metrics: Mapping[str, float]) -> dict[str, float]:
        """The metrics with the study's metric as a guessing model has it, which a diverged run counts with.

        Without the metric where neither the workload nor the stage says what that is.
        """
        name = self._study.metric.name
        recipe = self._context.workload.schema.validate(self._running[number].settings)
        guessed = self._context.workload.chance(recipe).get(name)
        if guessed is None:
            guessed = self._instead_of_chance()
        others = {key: value for key, value in metrics.items() if key != name}
        return others if guessed is None else {**others, name: guessed}

    def _instead_of_chance(self) -> float | None:
        """What a diverged run is told with where the workload does not say what guessing reaches."""
        return None


def _diverged(broken: str, epoch: Epoch) -> Outcome:
    return Outcome(Status.DIVERGED, f"{broken} was {epoch.metrics[broken]} in epoch {epoch.number}")


def _not_finite(metrics: Mapping[str, float], metric: str) -> str:
    """The metric that tells of divergence: the study's own, or a loss, that is not finite; "" when all is well."""
    watched = (name for name in metrics if name == metric or name.endswith("loss"))
    return next((name for name in watched if not math.isfinite(metrics[name])), "")
