"""Searches on a simulated clock, with any number of workers, and the protocol of a search policy."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.search_quality.problems import Parameters, Problem, Training
from sweeps.space.space import Space


@dataclass(frozen=True)
class Task:
    """What a policy is told about its search.

    Attributes:
        space: The search space.
        epochs: The epochs of a full training.
        workers: The trials that train at once.
        trainings: The budget of all workers together, in full trainings.
        seed: The seed of the search.
    """

    space: Space
    epochs: int
    workers: int
    trainings: float
    seed: int


class Job(NamedTuple):
    """A trial to train.

    Attributes:
        trial: Its number, from 0. A number that was handed out before goes on where the trial left.
        parameters: The configuration; of a trial that goes on, the same as before.
        until: The last epoch, from 1 to the task's epochs.
    """

    trial: int
    parameters: Parameters
    until: int


class Step(NamedTuple):
    """One epoch of one trial: the time of its end in device-seconds of a worker, and the metric."""

    time: float
    trial: int
    epoch: int
    value: float


@dataclass
class Trace:
    """What a search trained, in order of time.

    Attributes:
        parameters: The configuration that each trial trained.
        steps: Every epoch that ended.
    """

    parameters: dict[int, Parameters] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def until(self, time: float) -> Trace:
        """Return what had ended at `time`."""
        steps = self.steps[: bisect_right(self.steps, time, key=lambda step: step.time)]
        return Trace({step.trial: self.parameters[step.trial] for step in steps}, steps)

    def last(self) -> dict[int, Step]:
        """Return the last step of each trial."""
        return {step.trial: step for step in self.steps}


class Policy(ABC):
    """One search of one policy. The metric is always one of which more is better."""

    outside_cpu_s = 0.0
    """The CPU time that the search took in processes of its own."""

    @abstractmethod
    def next(self, now: float) -> Job | None:
        """Return what a free worker trains; None to leave it idle until any trial has ended an epoch."""

    def moved(self, trial: int, parameters: Parameters) -> None:  # noqa: B027
        """Take note that a new trial trains not its job's configuration but this one, the nearest that a table has."""

    @abstractmethod
    def told(self, trial: int, epoch: int, value: float) -> bool:
        """Take the metric of an epoch; return whether the trial goes on if it is not at the end of its job."""

    def left(self, trial: int) -> None:  # noqa: B027
        """Take note that a trial has left its worker: it was stopped, or its job is done."""

    def close(self) -> None:  # noqa: B027
        """End what the search has started. Called once."""


def handed_over(trace: Trace) -> Parameters | None:
    """Return the configuration with the best last value, of every policy, as Ray Tune's `get_best_result` does."""
    last = trace.last()
    return trace.parameters[max(last.values(), key=lambda step: step.value).trial] if last else None


def simulate(problem: Problem, policy: Policy, trainings: float, workers: int = 1) -> Trace:
    """Return what a policy trains with a budget.

    Args:
        problem: The problem.
        policy: A policy that was made for this problem and has not searched yet.
        trainings: The budget in full trainings, of which each worker has an equal share.
        workers: The number of workers.
    """
    clock = _Clock(problem, policy, trainings * problem.full_seconds / workers)
    clock.run(workers)
    return clock.trace


class _Clock:
    """The state of a simulated search."""

    def __init__(self, problem: Problem, policy: Policy, seconds: float) -> None:
        self.trace = Trace()
        self._train, self._policy, self._seconds = problem.search(), policy, seconds
        self._now, self._order = 0.0, 0
        self._trainings: dict[int, Training] = {}
        self._epochs: dict[int, int] = {}
        self._until: dict[int, int] = {}
        self._running: list[tuple[float, int, int]] = []

    def run(self, workers: int) -> None:
        """Advance the clock until the time is over or no worker has anything to do."""
        idle = self._start(workers)
        while self._running:
            self._now, _, trial = heapq.heappop(self._running)
            if self._now > self._seconds:
                break
            if self._end_epoch(trial):
                self._begin_epoch(trial)
            else:
                self._policy.left(trial)
                idle += 1
            idle = self._start(idle)

    def _start(self, idle: int) -> int:
        """Hand out jobs to idle workers; return how many stay idle."""
        while idle:
            job = self._policy.next(self._now)
            if job is None:
                break
            if job.trial not in self._trainings:
                self._place(job)
            self._until[job.trial] = job.until
            self._begin_epoch(job.trial)
            idle -= 1
        return idle

    def _place(self, job: Job) -> None:
        training = self._train(job.parameters)
        self._trainings[job.trial] = training
        self.trace.parameters[job.trial] = training.parameters
        if training.parameters != job.parameters:
            self._policy.moved(job.trial, training.parameters)

    def _begin_epoch(self, trial: int) -> None:
        # The order of beginning decides between epochs that end at the same time.
        self._order += 1
        end = self._now + self._trainings[trial].epoch_seconds
        heapq.heappush(self._running, (end, self._order, trial))

    def _end_epoch(self, trial: int) -> bool:
        """Report an epoch; return whether the trial stays on its worker."""
        epoch = self._epochs.get(trial, 0) + 1
        self._epochs[trial] = epoch
        value = float(self._trainings[trial].curve[epoch - 1])
        self.trace.steps.append(Step(self._now, trial, epoch, value))
        goes_on = self._policy.told(trial, epoch, value)
        return goes_on and epoch < self._until[trial]
