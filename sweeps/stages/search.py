"""The search: sampled trials, ended early by the study's pruner."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from sweeps.formatting import setting
from sweeps.pruners.factory import epochs_of, stopping_rule
from sweeps.runners.protocol import Decision, Epoch, Job
from sweeps.samplers.sampler import NothingFits, Sampler
from sweeps.stages.base import StageScheduler
from sweeps.stages.budget import SearchBudget
from sweeps.stages.context import Context
from sweeps.stats.goal import sign
from sweeps.storage.result_cache import CachedRun
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.stages import Stage
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Outcome, Status, Trial
from sweeps.trial.work import BaselineWork


class Search(StageScheduler):
    """The scheduler of the search, and of the small searches that re-tune an arm.

    Args:
        context: The parts of the running study.
        stage: The stage whose data access and budget apply.
        storage: The trials of this search.
        sampler: Proposes the configurations.
        purpose: Names the stream of the one seed that all trials share, so that configurations are compared on the
            same split, order and draws.
    """

    def __init__(self, context: Context, stage: Stage, storage: StageStorage, sampler: Sampler, purpose: str) -> None:
        super().__init__(context, stage, storage)
        self._purpose = purpose
        self._sampler = sampler
        self._pruner = stopping_rule(context.study, context.workload)
        trials = storage.trials()
        baseline = BaselineWork.of(context.gate.baseline().cost, epochs_of(context.study, context.workload) or 1)
        self._size = SearchBudget(context.study.budget.trainings, baseline, trials)
        self._counted = sum(trial.status.counted for trial in trials)
        self._target_reached = any(map(self._reaches_target, trials))
        self._unfinished = deque(storage.unfinished())  # (number, stored parameters) of an earlier start
        self._exhausted = ""  # why the sampler has nothing more to propose; empty while it has
        context.observer.on_stage(storage.stage, context.study.most_trials)
        self._tell_trainings()

    def pending(self) -> bool:
        """Whether a run could be started now, or once the running ones have ended."""
        return bool(self._unfinished) or not (self._full() or self._exhausted or self._sampler.exhausted)

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch, and what it has cost."""
        decision = super().on_epoch(job, epoch)
        self._tell_trainings()
        return decision

    def _tell_trainings(self) -> None:
        budget = self._size.trainings
        if budget is not None:
            self._context.observer.on_trainings(self._size.spent(self._curves), budget)

    def _full(self) -> bool:
        """Whether no further trial is wanted: enough exist, the trainings are used, or the target is reached."""
        capped = 0 < self._study.run_cap <= self._taken()
        return self._target_reached or capped or (self._size.limited and not self._fits(self._ahead()))

    def _fits(self, trainings: float) -> bool:
        return self._size.admits(self._curves, trainings)

    def _ahead(self) -> float:
        """The trainings that the trials under way, and one more, still take."""
        return sum(self._size.rest(number, self._epoch(number)) for number in self._begun()) + self._size.newcomer()

    def _begun(self) -> set[int]:
        """The trials that run, or that an earlier start has left on their way."""
        return {*self._running, *(number for number, _ in self._unfinished)}

    def _epoch(self, number: int) -> int:
        return max(self._curves.get(number, {}), default=0)

    def _taken(self) -> int:
        """How many of the `run_cap` trials exist."""
        return self._counted + len(self._running)

    def _reaches_target(self, trial: Trial) -> bool:
        return trial.status is Status.COMPLETE and self._study.metric.reached_by(trial.value)

    def _next(self) -> Job | None:
        """Trials that a killed driver left first, then new ones until there are enough."""
        job = self._readopted() or self._proposed()
        return None if job is None else self._seeded(job)

    def _seeded(self, job: Job) -> Job:
        seed = stream(self._study.seed, self._purpose)
        label = "  ".join(f"{key}={setting(value)}" for key, value in job.parameters.items())
        key = self._context.cache.key(self._purpose, job.settings, seed, 0)
        return replace(job, seed=seed, split_seed=0, label=label, key=key)

    def _readopted(self) -> Job | None:
        while self._unfinished:
            job = self._sampler.readopt(*self._unfinished.popleft())
            if job is not None:
                return job
        return None

    def _proposed(self) -> Job | None:
        if self._full() or self._exhausted:
            self._give_up_when_exhausted()
            return None
        try:
            return self._sampler.propose()
        except NothingFits as error:
            self._exhausted = str(error)
            self._give_up_when_exhausted()
            return None

    def _give_up_when_exhausted(self) -> None:
        if self._exhausted and not self._running:  # running trials are trained to their end first
            self.failure = self._exhausted

    def _start(self, job: Job) -> Job:
        self._size.add(job)
        return super()._start(job)

    def _replay(self, job: Job, cached: CachedRun) -> None:
        super()._replay(job, cached)
        self._size.free(job.number)

    def _judged(self, number: int) -> Outcome | None:
        if self._pruner is not None and self._pruner.stops(number, self._curves):
            return Outcome(Status.PRUNED, self._pruner.why(max(self._curves[number])))
        return None

    def _instead_of_chance(self) -> float | None:
        """The worst value seen, so that the sampler keeps away. No comparison is ever made with it."""
        values = [value for curve in self._curves.values() for value in curve.values()]
        return min(values, key=lambda value: sign(self._study.metric.goal) * value, default=None)

    def _used_by_next(self) -> float:
        return self._storage.device_seconds(self._unfinished[0][0]) if self._unfinished else 0.0

    def _ended(self, job: Job, trial: Trial) -> None:
        self._counted += trial.status.counted
        self._target_reached = self._target_reached or self._reaches_target(trial)
        if trial.status is Status.FAILED:
            self._sampler.failed(job.parameters)
