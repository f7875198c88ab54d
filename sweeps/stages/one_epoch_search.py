"""A search in two rounds: every trial trains for some epochs and pauses, then the best of them go on to their end.

Which trials wait and which go on follows from the recorded curves alone: a running trial that has reached the epoch
waits, and once no further trial will come, the rule ranks all that have reached it. A restart in either round therefore
decides the same.
"""

from __future__ import annotations

from collections import deque

from sweeps.artifacts.layout import CHECKPOINT
from sweeps.pruners.factory import epochs_of
from sweeps.pruners.one_epoch import OneEpoch
from sweeps.runners.protocol import Decision, Epoch, Job, Preemption
from sweeps.samplers.sampler import Sampler
from sweeps.stages.context import Context
from sweeps.stages.search import Search
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.stages import Stage
from sweeps.trial.trial import Outcome, Status, Trial


class OneEpochSearch(Search):
    """The scheduler of a search with `early_terminate: {type: one_epoch}`.

    Where the budget admits no further trial, the best of those that have paused go on: the time that they need was held
    back, at the pace of the slowest trial so far.
    """

    def __init__(
        self, context: Context, stage: Stage, storage: StageStorage, sampler: Sampler, purpose: str, rule: OneEpoch
    ) -> None:
        super().__init__(context, stage, storage, sampler, purpose)
        self._rule = rule
        self._epochs = epochs_of(context.study, context.workload) or rule.epochs
        self._paused: dict[int, Job] = {}
        self._unranked = {trial.number for trial in storage.trials() if self._is_unranked(trial)}
        self._short_of_budget = False  # whether the budget has refused a trial
        self._saves = True  # whether the workload saves checkpoints, as far as is known
        self._seconds = self._seconds_so_far()
        self._readopt_paused()

    def pending(self) -> bool:
        """Whether a run could be started now, or once the running ones have left."""
        return bool(self._paused) or super().pending()

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch. A run leaves by itself when it has saved its state; one that saves nothing is stopped."""
        repeated = self._repeated(job, epoch)
        decision = super().on_epoch(job, epoch)
        if not repeated and (job.number in self._seconds or self._context.budget.limited):
            self._seconds[job.number] = self._seconds.get(job.number, 0.0) + epoch.seconds
        cannot_leave = job.number in self._cached or not self._saves
        if decision is Decision.CONTINUE and job.until is not None and epoch.number >= job.until and cannot_leave:
            self._pause(job.number)
            return Decision.STOP
        return decision

    def on_preempted(self, job: Job, preemption: Preemption) -> None:
        """Pause a run that has reached the epoch of the first round."""
        if job.number in self._running and self._rule.has(self._curves[job.number]):
            self._saves = (job.folder / CHECKPOINT).exists()
            self._pause(job.number)
        else:
            super().on_preempted(job, preemption)

    def _affordable(self) -> bool:
        """True: each round has a measure of its own, see `_admits`."""
        return True

    def _next(self) -> Job | None:
        """A trial of the first round; when none is left or running, the best of those that have paused."""
        self._short_of_budget = False
        newcomer = self._newcomer()
        if newcomer is not None or any(not self._rule.has(self._curves[number]) for number in self._running):
            return newcomer
        finalist = self._finalist()
        if finalist is None:
            self.cut = self._short_of_budget
        return finalist

    def _newcomer(self) -> Job | None:
        if not self._unfinished and self._full():
            return None
        pace = self._pace()
        used = self._storage.device_seconds(self._unfinished[0][0]) if self._unfinished else 0.0
        second_round = self._rule.top * (self._epochs - self._rule.epochs) * pace
        if not self._admits(used, self._rule.epochs * pace, second_round):
            return None
        return super()._next()

    def _finalist(self) -> Job | None:
        """The best paused trial, if the rule promotes it. Those that are not promoted end here."""
        ranked = {number: curve for number, curve in self._curves.items() if number not in self._unranked}
        promoted = self._rule.best(ranked)
        for number in sorted(self._paused.keys() - set(promoted)):
            self._running[number] = self._paused.pop(number)
            self._finish(number, Outcome(Status.PRUNED, self._rule.why(self._rule.epochs)), None, 0.0)
        waiting = [number for number in promoted if number in self._paused]
        if not waiting:
            return None
        used = self._storage.device_seconds(waiting[0])
        if not self._admits(used, used / max(self._curves[waiting[0]]) * self._epochs, 0.0):
            return None
        return self._paused.pop(waiting[0])

    def _until(self, job: Job) -> int | None:
        return None if self._rule.has(self._curves.get(job.number, {})) else self._rule.epochs

    def _judged(self, number: int) -> Outcome | None:
        """None: trials are ranked together, when all have come."""
        return None

    def _give_up_when_exhausted(self) -> None:
        if not self._paused:
            super()._give_up_when_exhausted()

    def _taken(self) -> int:
        return super()._taken() + len(self._paused)

    def _ended(self, job: Job, trial: Trial) -> None:
        super()._ended(job, trial)
        if self._is_unranked(trial):
            self._unranked.add(trial.number)

    def _is_unranked(self, trial: Trial) -> bool:
        """Whether a trial takes no place in the ranking, because it broke before it reached the epoch."""
        if trial.status in (Status.DIVERGED, Status.OUT_OF_MEMORY):
            return trial.epochs <= self._rule.epochs
        return trial.status not in (Status.RUNNING, Status.COMPLETE, Status.PRUNED)

    def _readopt_paused(self) -> None:
        """Divide the trials that an earlier start left running into paused ones and ones of the first round."""
        unfinished, self._unfinished = self._unfinished, deque()
        for number, params in unfinished:
            if not self._rule.has(self._curves[number]):
                self._unfinished.append((number, params))
            elif (job := self._sampler.readopt(number, params)) is not None:
                self._paused[number] = self._seeded(job)
                self._context.observer.on_pause(self._storage.stage, number, max(self._curves[number]))

    def _pause(self, number: int) -> None:
        job = self._running.pop(number)
        self._failures_in_a_row = 0
        self._paused[number] = job
        self._context.budget.leave(self._storage.stage, number)
        self._storage.annotate(number, seconds=round(self._storage.device_seconds(number), 4))
        if number in self._cached:
            self._storage.annotate(number, source=self._cached.pop(number))
        self._context.observer.on_pause(self._storage.stage, number, max(self._curves[number]))

    def _admits(self, used: float, needed: float, reserved: float) -> bool:
        admitted = self._context.budget.admits(self.stage, self._storage.stage, used, needed, reserved)
        self._short_of_budget = self._short_of_budget or not admitted
        return admitted

    def _seconds_so_far(self) -> dict[int, float]:
        """The device-seconds of each trial; empty without a budget, which is the only one to ask for them."""
        if not self._context.budget.limited:
            return {}
        return {number: self._storage.device_seconds(number) for number, curve in self._curves.items() if curve}

    def _pace(self) -> float:
        """Device-seconds per epoch of the slowest trial so far; 0 while nothing is known."""
        paces = (
            seconds / max(self._curves[number]) for number, seconds in self._seconds.items() if self._curves[number]
        )
        return max(paces, default=0.0)
