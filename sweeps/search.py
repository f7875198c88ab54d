"""The search stage: sampled trials, pruned by ASHA, recorded as they go."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from sweeps.asha import Asha
from sweeps.runners.base import Decision, End, Epoch, Job
from sweeps.sampler import NothingFits, Proposal, Sampler
from sweeps.stages import SEARCH
from sweeps.store import Store
from sweeps.study import Study
from sweeps.trial import Outcome, Status, Trial, stream
from sweeps.workload import Site, Workload

MAX_FAILURES_IN_A_ROW = 3


class Observer(Protocol):
    """Whoever follows a search: the terminal view."""

    def on_start(self, number: int, parameters: Mapping[str, Any], resumed_at: int) -> None:
        """A trial starts, or goes on after epoch `resumed_at`."""

    def on_epoch(self, number: int, epoch: int, metrics: Mapping[str, float], seconds: float) -> None:
        """An epoch has been recorded."""

    def on_end(self, trial: Trial) -> None:
        """A trial has ended, or was refused before it started."""

    def on_interrupt(self, why: str) -> None:
        """The search has been asked to end early."""


class Search:
    """The scheduler of the search stage; everything that it decides by stands in the store."""

    def __init__(
        self, study: Study, workload: Workload, store: Store, sampler: Sampler, site: Site, observer: Observer
    ) -> None:
        self._study = study
        self._workload = workload
        self._store = store
        self._sampler = sampler
        self._site = site
        self._observer = observer
        self._asha = asha_of(study, workload)
        trials = store.trials()
        self._curves = {trial.number: dict(trial.curve) for trial in trials}
        self._counted = sum(trial.status.counted for trial in trials)
        self._left_behind = deque(store.unfinished())
        self._running: dict[int, Proposal] = {}
        self._failures_in_a_row = 0
        self.failure = ""  # why the search gave up, if it did
        self._dry = ""  # why the sampler has nothing more to propose, if so
        self._interrupted = False

    @property
    def stopping(self) -> bool:
        """Whether running jobs are to be left as they are: they go on at the next start."""
        return self._interrupted or bool(self.failure)

    def interrupt(self, why: str) -> None:
        """Ask for an early end; called from a signal's handler."""
        self._interrupted = True
        self._observer.on_interrupt(why)

    @property
    def done(self) -> bool:
        """Whether no trial is left to run."""
        full = self._counted >= self._study.run_cap or self._sampler.exhausted
        return full and not self._left_behind and not self._running

    def suggest(self) -> Job | None:
        """The next job: trials that a dead driver left behind first, then new ones up to `run_cap`."""
        proposal = self._next()
        if proposal is None:
            return None
        self._running[proposal.number] = proposal
        job = self._job(proposal)
        self._store.begin(proposal.number, proposal.assessment, job.seed)
        curve = self._curves.setdefault(proposal.number, {})
        self._observer.on_start(proposal.number, proposal.parameters, max(curve, default=0))
        return job

    def on_epoch(self, number: int, epoch: Epoch) -> Decision:
        """Record an epoch; end the trial where it diverged or falls behind at a rung."""
        curve = self._curves[number]
        if epoch.number < max(curve, default=0):  # repeated after a kill; the last one is judged again
            return Decision.CONTINUE
        name = self._study.metric.name
        broken = _not_finite(epoch.metrics, name)
        metrics = self._as_if_guessed(number, epoch.metrics) if broken else dict(epoch.metrics)
        if broken and name not in metrics:  # nothing is known to be bad yet: it is told without a value, as the worst
            return self._stop(number, _diverged(broken, epoch), epoch.seconds)
        if name not in metrics:
            reason = f"the workload yields no {name!r} (metric.name); it yields: {', '.join(metrics) or 'nothing'}"
            return self._stop(number, Outcome(Status.FAILED, reason), epoch.seconds)
        self._store.record_epoch(number, epoch.number, metrics, epoch.seconds)
        curve.setdefault(epoch.number, metrics[name])
        self._observer.on_epoch(number, epoch.number, metrics, epoch.seconds)
        if broken:
            return self._stop(number, _diverged(broken, epoch))
        others = (other for key, other in self._curves.items() if key != number)
        if self._asha and self._asha.stops(curve, others):
            return self._stop(number, Outcome(Status.PRUNED, f"behind at the rung of epoch {epoch.number}"))
        return Decision.CONTINUE

    def on_end(self, number: int, end: End) -> None:
        """Record how a trial ended by itself."""
        outcome = end.outcome
        if outcome.status is Status.COMPLETE and not self._curves[number]:
            outcome = Outcome(Status.FAILED, "the workload ended without yielding any metric")
        self._finish(number, outcome, end.seconds)

    def _next(self) -> Proposal | None:
        while self._left_behind:
            proposal = self._sampler.readopt(*self._left_behind.popleft())
            if proposal is not None:
                return proposal
        full = self._counted + len(self._running) >= self._study.run_cap
        if self.stopping or full or self._dry:
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

    def _job(self, proposal: Proposal) -> Job:
        return Job(
            number=proposal.number,
            workload=self._workload.name,
            settings=proposal.assessment.settings,
            # One seed for the whole search: configurations are compared on the same draws.
            seed=stream(self._study.seed, SEARCH.name),
            split_seed=0,
            device=self._site.device,
            data_dir=self._site.data_dir,
            folder=self._store.trial_folder(proposal.number),
            access=SEARCH.access,
        )

    def _stop(self, number: int, outcome: Outcome, seconds: float = 0.0) -> Decision:
        self._finish(number, outcome, seconds)
        return Decision.STOP

    def _finish(self, number: int, outcome: Outcome, seconds: float) -> None:
        proposal = self._running.pop(number)
        value = self._value(number) if outcome.status is Status.COMPLETE else None
        device_seconds = seconds + self._store.device_seconds(number)
        trial = self._store.finish(number, outcome, value, round(device_seconds, 4))
        self._counted += trial.status.counted
        if trial.status is Status.FAILED:
            self._sampler.failed(proposal.parameters)
        self._give_up_after_failures(trial)
        self._observer.on_end(trial)

    def _give_up_after_failures(self, trial: Trial) -> None:
        self._failures_in_a_row = self._failures_in_a_row + 1 if trial.status is Status.FAILED else 0
        if self._failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
            self.failure = f"{self._failures_in_a_row} trials in a row failed, the last one with: {trial.reason}"

    def _value(self, number: int) -> float:
        curve = self._curves[number]
        if self._study.metric.at == "last":
            return curve[max(curve)]
        return max(curve.values()) if self._study.metric.goal == "maximize" else min(curve.values())

    def _as_if_guessed(self, number: int, metrics: Mapping[str, float]) -> dict[str, float]:
        """The metrics with the study's metric as a guessing model has it, for the sampler to keep away.

        Where the workload does not say what guessing reaches: the worst value seen; before any, without the metric.
        """
        name = self._study.metric.name
        recipe = self._workload.schema.validate(self._running[number].assessment.settings)
        guessed = self._workload.chance(recipe).get(name)
        if guessed is None:
            guessed = self._worst()
        others = {key: value for key, value in metrics.items() if key != name}
        return others if guessed is None else {**others, name: guessed}

    def _worst(self) -> float | None:
        seen = [value for curve in self._curves.values() for value in curve.values()]
        worst = min if self._study.metric.goal == "maximize" else max
        return worst(seen, default=None)


def asha_of(study: Study, workload: Workload) -> Asha | None:
    """The early termination of a study; `max_iter` is the recipe's epochs where the file does not say."""
    rule = study.early_terminate
    if rule is None:
        return None
    max_iter = rule.max_iter or epochs_of(study, workload)
    assert max_iter is not None, "sweeps.checks refuses a study without either"
    return Asha(rule.min_iter, max_iter, rule.eta, study.metric.goal)


def epochs_of(study: Study, workload: Workload) -> int | None:
    """The epochs that a trial of the baseline trains for; None where the recipe has no key `epochs`."""
    try:
        return int(workload.schema.get(workload.schema.validate(study.settings), "epochs"))
    except KeyError:
        return None


def _diverged(broken: str, epoch: Epoch) -> Outcome:
    return Outcome(Status.DIVERGED, f"{broken} was {epoch.metrics[broken]} in epoch {epoch.number}")


def _not_finite(metrics: Mapping[str, float], metric: str) -> str:
    """The metric that tells of divergence: the study's own, or a loss, that is not finite; "" when all is well."""
    watched = (name for name in metrics if name == metric or name.endswith("loss"))
    return next((name for name in watched if not math.isfinite(metrics[name])), "")
