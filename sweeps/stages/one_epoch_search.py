"""A search in two rounds: all trials train for some epochs and leave, then the best of them go on to their end.

Who waits and who goes on follows from the recorded curves: an unfinished trial that has the epoch waits, and once no
other is to come, the rule ranks all that have it. A restart in either round finds the same.
"""

from __future__ import annotations

from collections import deque

from sweeps.pruners.factory import epochs_of
from sweeps.pruners.one_epoch import OneEpoch
from sweeps.runners.protocol import Decision, Epoch, Job
from sweeps.samplers.sampler import Proposal, Sampler
from sweeps.stages.base import Task
from sweeps.stages.context import Context
from sweeps.stages.search import Search
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.stages import Stage
from sweeps.trial.trial import Outcome, Status, Trial


class OneEpochSearch(Search):
    """The scheduler of a search with `early_terminate: {type: one_epoch}`.

    Where the budget admits no further trial, the best of those that have come go on: the time that they need was held
    back, at the pace of the slowest one so far.
    """

    def __init__(
        self, context: Context, stage: Stage, ledger: StageStorage, sampler: Sampler, purpose: str, rule: OneEpoch
    ) -> None:
        super().__init__(context, stage, ledger, sampler, purpose)
        self._first = rule
        self._epochs = epochs_of(context.study, context.workload) or rule.epochs
        self._waiting: dict[int, Proposal] = {}
        self._out = {trial.number for trial in ledger.trials() if self._is_out(trial)}
        self._short = False  # whether the budget has turned a trial away
        self._saves = True  # whether the workload saves checkpoints, as far as is known
        self._seconds = self._spent()
        self._readopt_waiting()

    def pending(self) -> bool:
        """Whether a run could be started now or once those that run have left."""
        return bool(self._waiting) or super().pending()

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch. A run leaves by itself when it has saved its state; what saves none is told to."""
        decision = super().on_epoch(job, epoch)
        if job.number in self._seconds or self._context.allowance.limited:
            self._seconds[job.number] = self._seconds.get(job.number, 0.0) + epoch.seconds
        leaves = job.number in self._sources or not self._saves
        if decision is Decision.CONTINUE and job.until is not None and epoch.number >= job.until and leaves:
            self._pause(job.number)
            return Decision.STOP
        return decision

    def on_left(self, job: Job) -> None:
        """A run that has come as far as all shall waits for the others."""
        if job.number in self._running and self._first.has(self._curves[job.number]):
            self._saves = (job.folder / "checkpoint").exists()
            self._pause(job.number)
        else:
            super().on_left(job)

    def _affordable(self) -> bool:
        """Each round has a measure of its own: see `_admits`."""
        return True

    def _next(self) -> Task | None:
        """Who has not come as far as all shall; when nobody is left or under way, the best of those that wait."""
        self._short = False
        newcomer = self._newcomer()
        if newcomer is not None or any(not self._first.has(self._curves[number]) for number in self._running):
            return newcomer
        chosen = self._chosen()
        if chosen is None:
            self.cut = self._short
        return chosen

    def _newcomer(self) -> Task | None:
        if not self._left_behind and self._taken() >= self._study.run_cap:
            return None
        pace = self._pace()
        used = self._ledger.device_seconds(self._left_behind[0][0]) if self._left_behind else 0.0
        rest = self._first.top * (self._epochs - self._first.epochs) * pace
        if not self._admits(used, self._first.epochs * pace, rest):
            return None
        return super()._next()

    def _chosen(self) -> Task | None:
        """The best of those that wait, if it is on the shortlist; the others end here."""
        best = self._first.best({number: curve for number, curve in self._curves.items() if number not in self._out})
        for number in sorted(self._waiting.keys() - set(best)):
            self._running[number] = self._task(self._waiting.pop(number))
            self._finish(number, Outcome(Status.PRUNED, self._first.why(self._first.epochs)), None, 0.0)
        going = [number for number in best if number in self._waiting]
        if not going:
            return None
        used = self._ledger.device_seconds(going[0])
        if not self._admits(used, used / max(self._curves[going[0]]) * self._epochs, 0.0):
            return None
        return self._task(self._waiting.pop(going[0]))

    def _until(self, task: Task) -> int | None:
        return None if self._first.has(self._curves.get(task.number, {})) else self._first.epochs

    def _judged(self, number: int) -> Outcome | None:
        """Nobody is judged alone."""
        return None

    def _give_up_when_dry(self) -> None:
        if not self._waiting:
            super()._give_up_when_dry()

    def _taken(self) -> int:
        return super()._taken() + len(self._waiting)

    def _ended(self, task: Task, trial: Trial) -> None:
        super()._ended(task, trial)
        if self._is_out(trial):
            self._out.add(trial.number)

    def _is_out(self, trial: Trial) -> bool:
        """Whether a trial takes no place on the shortlist: it broke before it could."""
        if trial.status in (Status.DIVERGED, Status.OUT_OF_MEMORY):
            return trial.epochs <= self._first.epochs
        return trial.status not in (Status.RUNNING, Status.COMPLETE, Status.PRUNED)

    def _readopt_waiting(self) -> None:
        behind, self._left_behind = self._left_behind, deque()
        for number, params in behind:
            if not self._first.has(self._curves[number]):
                self._left_behind.append((number, params))
            elif (proposal := self._sampler.readopt(number, params)) is not None:
                self._waiting[number] = proposal
                self._context.observer.on_pause(self._ledger.stage, number, max(self._curves[number]))

    def _pause(self, number: int) -> None:
        del self._running[number]
        self._failures_in_a_row = 0
        self._waiting[number] = self._proposals.pop(number)
        self._context.allowance.leave(self._ledger.stage, number)
        self._ledger.annotate(number, seconds=round(self._ledger.device_seconds(number), 4))
        if number in self._sources:
            self._ledger.annotate(number, source=self._sources.pop(number))
        self._context.observer.on_pause(self._ledger.stage, number, max(self._curves[number]))

    def _admits(self, used: float, needed: float, kept: float) -> bool:
        admitted = self._context.allowance.admits(self.stage, self._ledger.stage, used, needed, kept)
        self._short = self._short or not admitted
        return admitted

    def _spent(self) -> dict[int, float]:
        """The device seconds of each trial so far; nothing without a budget, which alone asks for them."""
        if not self._context.allowance.limited:
            return {}
        return {number: self._ledger.device_seconds(number) for number, curve in self._curves.items() if curve}

    def _pace(self) -> float:
        """The device seconds of an epoch, as the slowest trial so far has them; 0 while nothing is known."""
        each = (
            seconds / max(self._curves[number]) for number, seconds in self._seconds.items() if self._curves[number]
        )
        return max(each, default=0.0)
