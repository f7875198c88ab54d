"""The engine's rule and surrogate on the simulated clock: trials pause at rungs and go on when they have earned it."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.search_quality.problems import Parameters
from benchmarks.search_quality.samplers import Sampler
from benchmarks.search_quality.simulator import Job, Policy, Task
from sweeps.pruners.promotion import Promotion
from sweeps.surrogate.observed import Observed, Proposal
from sweeps.surrogate.proposer import Proposer


class Promoting(Policy):
    """A free worker continues the best paused trial that has earned it, else it starts a new one.

    Args:
        task: The task.
        sampler: Proposes the new ones.
        rule: Decides which paused trial goes on.
    """

    def __init__(self, task: Task, sampler: Sampler, rule: Promotion) -> None:
        self._task, self._sampler, self._rule = task, sampler, rule
        self._parameters: dict[int, Parameters] = {}
        self._curves: dict[int, dict[int, float]] = {}
        self._waiting: set[int] = set()

    def next(self, now: float) -> Job | None:
        """Promote, else start a trial, else continue whoever is closest to the end."""
        due = self._rule.due(self._curves, self._waiting)
        if due is None and (job := self._newcomer()) is not None:
            return job
        due = due or self._rule.closest(self._curves, self._waiting)
        return None if due is None else self._continued(due.number)

    def _newcomer(self) -> Job | None:
        trial = len(self._curves)
        parameters = self._sampler.ask(trial)
        if parameters is None:
            return None
        self._parameters[trial], self._curves[trial] = parameters, {}
        return self._sent(trial)

    def _continued(self, trial: int) -> Job:
        self._waiting.discard(trial)
        return self._sent(trial)

    def _sent(self, trial: int) -> Job:
        until = self._rule.until(trial, max(self._curves[trial], default=0))
        self._sampler.sent(trial, until)
        return Job(trial, self._parameters[trial], until)

    def moved(self, trial: int, parameters: Parameters) -> None:
        """Tell the sampler."""
        self._sampler.moved(trial, parameters)

    def told(self, trial: int, epoch: int, value: float) -> bool:
        """Go on until the rung."""
        self._curves[trial][epoch] = value
        self._sampler.told(trial, epoch, value)
        return True

    def left(self, trial: int) -> None:
        """Wait, unless the trial is complete."""
        complete = self._task.epochs in self._curves[trial]
        if not complete:
            self._waiting.add(trial)
        self._sampler.left(trial, complete)


class Surrogate:
    """The engine's surrogate as a sampler."""

    def __init__(self, task: Task) -> None:
        self._proposer = Proposer(task.space, task.epochs, "maximize", task.seed)
        self._trials: list[Observed] = []
        self._latest: Proposal | None = None

    def ask(self, trial: int) -> Parameters | None:
        """Propose a configuration; None if every one was tried."""
        state = self._latest.state if self._latest else None
        try:
            self._latest = self._proposer.propose(self._trials, trial, _anything, _one, state)
        except LookupError:
            return None
        self._trials.append(Observed(self._latest.parameters, {}))
        return self._latest.parameters

    def sent(self, trial: int, until: int) -> None:
        """Count the trial as being trained."""
        self._trials[trial] = replace(self._trials[trial], until=until)

    def moved(self, trial: int, parameters: Parameters) -> None:
        """Believe that the other configuration was proposed."""
        self._trials[trial] = replace(self._trials[trial], parameters=parameters)

    def told(self, trial: int, epoch: int, value: float) -> None:
        """Add to the curve."""
        observed = self._trials[trial]
        self._trials[trial] = replace(observed, curve={**observed.curve, epoch: value})

    def left(self, trial: int, complete: bool) -> None:
        """Count the trial as not being trained."""
        self._trials[trial] = replace(self._trials[trial], until=None)


def _anything(parameters: Parameters) -> bool:
    return True


def _one(parameters: Parameters) -> float:
    """No table counts the work of a configuration: each epoch costs the same, as in the engine without such a count."""
    return 1.0
