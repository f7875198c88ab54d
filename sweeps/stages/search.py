"""A search: sampled trials, stopped early by the study's rule, recorded as they go."""

from __future__ import annotations

from collections import deque

from sweeps.formatting import setting
from sweeps.pruners.factory import stopping_rule
from sweeps.samplers.sampler import NothingFits, Proposal, Sampler
from sweeps.stages.base import StageScheduler, Task
from sweeps.stages.context import Context
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.stages import Stage
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Outcome, Status, Trial


class Search(StageScheduler):
    """The scheduler of the search, and of the small searches that tune an arm again.

    `purpose` names the stream of the one seed that all its trials share: configurations are compared on the same draws.
    """

    def __init__(self, context: Context, stage: Stage, ledger: StageStorage, sampler: Sampler, purpose: str) -> None:
        super().__init__(context, stage, ledger)
        self._purpose = purpose
        self._sampler = sampler
        self._rule = stopping_rule(context.study, context.workload)
        self._counted = sum(trial.status.counted for trial in ledger.trials())
        self._left_behind = deque(ledger.unfinished())
        self._proposals: dict[int, Proposal] = {}
        self._dry = ""  # why the sampler has nothing more to propose, if so
        context.observer.on_stage(ledger.stage, context.study.run_cap)

    def pending(self) -> bool:
        """Whether a run could be started now or once those that run have ended."""
        full = self._taken() >= self._study.run_cap
        return bool(self._left_behind) or not (full or self._dry or self._sampler.exhausted)

    def _taken(self) -> int:
        """How many of the `run_cap` trials there are."""
        return self._counted + len(self._running)

    def _next(self) -> Task | None:
        """Trials that a dead driver left behind first, then new ones up to `run_cap`."""
        proposal = self._readopted() or self._proposed()
        if proposal is None:
            return None
        return self._task(proposal)

    def _task(self, proposal: Proposal) -> Task:
        self._proposals[proposal.number] = proposal
        settings = proposal.assessment.settings
        seed = stream(self._study.seed, self._purpose)
        return Task(
            number=proposal.number,
            settings=settings,
            cost=proposal.assessment.cost,
            seed=seed,
            split_seed=0,
            label="  ".join(f"{key}={setting(value)}" for key, value in proposal.parameters.items()),
            key=self._context.cache.key(self._purpose, settings, seed, 0),
        )

    def _readopted(self) -> Proposal | None:
        while self._left_behind:
            proposal = self._sampler.readopt(*self._left_behind.popleft())
            if proposal is not None:
                return proposal
        return None

    def _proposed(self) -> Proposal | None:
        full = self._taken() >= self._study.run_cap
        if full or self._dry:
            self._give_up_when_dry()
            return None
        try:
            return self._sampler.propose()
        except NothingFits as error:
            self._dry = str(error)
            self._give_up_when_dry()
            return None

    def _give_up_when_dry(self) -> None:
        if self._dry and not self._running:  # who still trains, trains to the end
            self.failure = self._dry

    def _judged(self, number: int) -> Outcome | None:
        if self._rule is not None and self._rule.stops(number, self._curves):
            return Outcome(Status.PRUNED, self._rule.why(max(self._curves[number])))
        return None

    def _instead_of_chance(self) -> float | None:
        """The worst value seen, for the sampler to keep away; no comparison is ever made with it."""
        seen = [value for curve in self._curves.values() for value in curve.values()]
        worst = min if self._study.metric.goal == "maximize" else max
        return worst(seen, default=None)

    def _used_by_next(self) -> float:
        return self._ledger.device_seconds(self._left_behind[0][0]) if self._left_behind else 0.0

    def _ended(self, task: Task, trial: Trial) -> None:
        proposal = self._proposals.pop(task.number)
        self._counted += trial.status.counted
        if trial.status is Status.FAILED:
            self._sampler.failed(proposal.parameters)
