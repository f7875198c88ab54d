"""Base class of the searches whose trials pause: they leave their device at an epoch, and go on when chosen."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque

from sweeps.runners.protocol import Decision, Epoch, Job, Preemption
from sweeps.samplers.sampler import Sampler
from sweeps.stages.context import Context
from sweeps.stages.search import Search
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.stages import Stage
from sweeps.trial.trial import Outcome, Status


class PausingSearch(Search):
    """The scheduler of a search whose trials pause. In the storage a paused trial is running.

    Arguments as for `Search`. A subclass calls `_readopt_paused` once it knows which trials pause.
    """

    def __init__(self, context: Context, stage: Stage, storage: StageStorage, sampler: Sampler, purpose: str) -> None:
        super().__init__(context, stage, storage, sampler, purpose)
        self._paused: dict[int, Job] = {}
        self._short_of_budget = False  # whether the budget has refused a trial
        self._seconds = self._seconds_so_far()

    @abstractmethod
    def _at_pause(self, number: int) -> bool:
        """Whether a trial has been trained as far as it was handed out for, and is not to go on by itself."""

    def _cannot_leave(self, number: int) -> bool:
        """Whether a run does not leave by itself at its pause, because it saves no state there."""
        return number in self._cached

    def pending(self) -> bool:
        """Whether a run could be started now, or once the running ones have left."""
        return bool(self._paused) or super().pending()

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch. A run leaves by itself when it has saved its state; one that saves nothing is stopped."""
        repeated = self._repeated(job, epoch)
        decision = super().on_epoch(job, epoch)
        if not repeated and (job.number in self._seconds or self._context.budget.limited):
            self._seconds[job.number] = self._seconds.get(job.number, 0.0) + epoch.seconds
        reached = decision is Decision.CONTINUE and job.until is not None and epoch.number >= job.until
        if reached and self._cannot_leave(job.number):
            self._pause(job.number)
            return Decision.STOP
        return decision

    def on_preempted(self, job: Job, preemption: Preemption) -> None:
        """Pause a run that has reached its epoch."""
        if job.number in self._running and self._at_pause(job.number):
            self._pause(job.number)
        else:
            super().on_preempted(job, preemption)

    def _affordable(self) -> bool:
        """True: each step has a measure of its own, see `_admits`."""
        return True

    def _judged(self, number: int) -> Outcome | None:
        """None: a trial that pauses is measured against the others when one is chosen."""
        return None

    def _give_up_when_exhausted(self) -> None:
        if not self._paused:
            super()._give_up_when_exhausted()

    def _taken(self) -> int:
        return super()._taken() + len(self._paused)

    def _readopt_paused(self) -> None:
        """Divide the trials that an earlier start left running into paused ones and ones to be trained further."""
        unfinished, self._unfinished = self._unfinished, deque()
        for number, params in unfinished:
            if not self._at_pause(number):
                self._unfinished.append((number, params))
            elif (job := self._sampler.readopt(number, params)) is not None:
                self._paused[number] = self._seeded(job)
                self._context.observer.on_pause(self._storage.stage, number, max(self._curves[number]))

    def _pause(self, number: int) -> None:
        self._failures_in_a_row = 0
        self._paused[number] = self._released(number)
        self._context.observer.on_pause(self._storage.stage, number, max(self._curves[number]))

    def _released(self, number: int) -> Job:
        """Note that a run has left its device before its end; its job."""
        self._context.budget.leave(self._storage.stage, number)
        self._storage.annotate(number, seconds=round(self._storage.device_seconds(number), 4))
        if number in self._cached:
            self._storage.annotate(number, source=self._cached.pop(number))
        return self._running.pop(number)

    def _end_paused(self, number: int, reason: str) -> None:
        """End a paused trial that will not go on."""
        self._running[number] = self._paused.pop(number)
        self._finish(number, Outcome(Status.PRUNED, reason), None, 0.0)

    def _admits(self, used: float, needed: float, reserved: float, promised: float | None = None) -> bool:
        budget, name = self._context.budget, self._storage.stage
        admitted = budget.admits(self.stage, name, used, needed, reserved, promised)
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
