"""A search in two rounds: every trial trains for some epochs and pauses, then the best of them go on to their end.

Which trials wait and which go on follows from the recorded curves alone: a running trial that has reached the epoch
waits, and once no further trial will come, the rule ranks all that have reached it. A restart in either round therefore
decides the same.
"""

from __future__ import annotations

from sweeps.artifacts.layout import CHECKPOINT
from sweeps.pruners.factory import epochs_of
from sweeps.pruners.one_epoch import OneEpoch
from sweeps.runners.protocol import Job, Preemption
from sweeps.samplers.sampler import Sampler
from sweeps.stages.context import Context
from sweeps.stages.pausing.search import PausingSearch
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.stages import Stage
from sweeps.trial.trial import Status, Trial


class OneEpochSearch(PausingSearch):
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
        self._unranked = {trial.number for trial in storage.trials() if self._is_unranked(trial)}
        self._saves = True  # whether the workload saves checkpoints, as far as is known
        self._readopt_paused()

    def on_preempted(self, job: Job, preemption: Preemption) -> None:
        """Pause a run that has reached the epoch of the first round."""
        if job.number in self._running and self._at_pause(job.number):
            self._saves = (job.folder / CHECKPOINT).exists()
        super().on_preempted(job, preemption)

    def _at_pause(self, number: int) -> bool:
        return self._rule.has(self._curves[number])

    def _cannot_leave(self, number: int) -> bool:
        return super()._cannot_leave(number) or not self._saves

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
            self._end_paused(number, self._rule.why(self._rule.epochs))
        waiting = [number for number in promoted if number in self._paused]
        if not waiting:
            return None
        used = self._storage.device_seconds(waiting[0])
        if not self._admits(used, used / max(self._curves[waiting[0]]) * self._epochs, 0.0):
            return None
        return self._paused.pop(waiting[0])

    def _until(self, job: Job) -> int | None:
        return None if self._rule.has(self._curves.get(job.number, {})) else self._rule.epochs

    def _ahead(self) -> float:
        """The trainings that the first round, one more trial in it, and the whole second round still take."""
        first, newcomer = self._rule.epochs, self._size.newcomer(self._rule.epochs)
        begun = sum(self._size.rest(number, self._epoch(number), first) for number in self._begun())
        return begun + newcomer + self._rule.top * (self._size.newcomer() - newcomer)

    def _ended(self, job: Job, trial: Trial) -> None:
        super()._ended(job, trial)
        if self._is_unranked(trial):
            self._unranked.add(trial.number)

    def _is_unranked(self, trial: Trial) -> bool:
        """Whether a trial takes no place in the ranking, because it broke before it reached the epoch."""
        if trial.status in (Status.DIVERGED, Status.OUT_OF_MEMORY):
            return trial.epochs <= self._rule.epochs
        return trial.status not in (Status.RUNNING, Status.COMPLETE, Status.PRUNED)
