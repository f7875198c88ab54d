"""The search: sampled trials, ended early by the study's pruner."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from sweeps.formatting import setting
from sweeps.pruners.factory import stopping_rule
from sweeps.runners.protocol import Job
from sweeps.samplers.sampler import NothingFits, Sampler
from sweeps.stages.base import StageScheduler
from sweeps.stages.context import Context
from sweeps.stats.goal import sign
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.stages import Stage
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Outcome, Status, Trial


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
        self._counted = sum(trial.status.counted for trial in trials)
        self._target_reached = any(map(self._reaches_target, trials))
        self._unfinished = deque(storage.unfinished())  # (number, stored parameters) of an earlier start
        self._exhausted = ""  # why the sampler has nothing more to propose; empty while it has
        context.observer.on_stage(storage.stage, context.study.most_trials)

    def pending(self) -> bool:
        """Whether a run could be started now, or once the running ones have ended."""
        return bool(self._unfinished) or not (self._full() or self._exhausted or self._sampler.exhausted)

    def _full(self) -> bool:
        """Whether no further trial is wanted: `run_cap` of them exist, or one has reached the metric's target."""
        return self._target_reached or self._taken() >= self._study.run_cap

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
