"""The simulated clock: durations, workers, trials that leave and come back."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.search_quality.problems import Parameters, Table
from benchmarks.search_quality.simulator import (
    Job,
    Policy,
    Step,
    Trace,
    handed_over,
    simulate,
)

POINTS = np.array([[0.0], [0.5], [1.0]])
CURVES = np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 4.0], [0.0, 0.0, 9.0]])
TABLE = Table("toy", "1", ["int3"], POINTS, CURVES, np.array([1.0, 2.0, 3.0]))


class Scripted(Policy):
    """Hands out jobs of a list, and stops trials at the (trial, epoch) of a set."""

    def __init__(self, jobs: list[Job], stops: set[tuple[int, int]] | None = None) -> None:
        self.jobs, self.stops = list(jobs), stops or set()
        self.left_trials: list[int] = []
        self.times: list[float] = []
        self.moves: dict[int, Parameters] = {}

    def next(self, now: float) -> Job | None:
        self.times.append(now)
        return self.jobs.pop(0) if self.jobs else None

    def told(self, trial: int, epoch: int, value: float) -> bool:
        return (trial, epoch) not in self.stops

    def left(self, trial: int) -> None:
        self.left_trials.append(trial)

    def moved(self, trial: int, parameters: Parameters) -> None:
        self.moves[trial] = parameters


def test_trial_comes_back_where_it_left() -> None:
    policy = Scripted([Job(0, {"x0": 0}, 1), Job(1, {"x0": 1}, 1), Job(0, {"x0": 0}, 3)])
    trace = simulate(TABLE, policy, 10)
    assert trace.steps == [Step(1, 0, 1, 1), Step(3, 1, 1, 5), Step(4, 0, 2, 2), Step(5, 0, 3, 3)]
    assert policy.left_trials == [0, 1, 0]


def test_stopped_trial_frees_its_worker() -> None:
    policy = Scripted([Job(0, {"x0": 0}, 3), Job(1, {"x0": 1}, 3)], {(0, 2)})
    trace = simulate(TABLE, policy, 10)
    assert [(step.trial, step.epoch) for step in trace.steps] == [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3)]


def test_workers_share_the_budget_and_train_at_once() -> None:
    assert TABLE.full_seconds == 6
    policy = Scripted([Job(trial, {"x0": trial % 3}, 3) for trial in range(9)])
    trace = simulate(TABLE, policy, 2, workers=3)  # 4 s for each of three workers
    assert [(step.time, step.trial) for step in trace.steps] == [(1, 0), (2, 1), (2, 0), (3, 2), (3, 0), (4, 1), (4, 3)]


def test_idle_worker_is_asked_again_after_each_epoch() -> None:
    class Waits(Scripted):
        def next(self, now: float) -> Job | None:
            return super().next(now) if now != 0 or len(self.jobs) == 2 else None

    policy = Waits([Job(0, {"x0": 0}, 3), Job(1, {"x0": 1}, 3)])
    trace = simulate(TABLE, policy, 10, workers=2)
    assert [step.time for step in trace.steps if step.trial == 1] == [3, 5, 7]


def test_policy_is_told_which_row_is_trained_instead() -> None:
    table = Table("toy", "1", ["float"], POINTS, CURVES, np.ones(3))
    policy = Scripted([Job(0, {"x0": 0.9}, 1), Job(1, {"x0": 1.0}, 1), Job(2, {"x0": 0.0}, 1)])
    trace = simulate(table, policy, 10)
    assert policy.moves == {0: {"x0": 1.0}, 1: {"x0": 0.5}}
    assert trace.parameters == {0: {"x0": 1.0}, 1: {"x0": 0.5}, 2: {"x0": 0.0}}


def test_trial_with_the_best_last_value_is_handed_over_whether_it_is_complete_or_not() -> None:
    steps = [Step(1, 0, 1, 5), Step(2, 1, 1, 3), Step(3, 0, 2, 2)]
    trace = Trace({0: {"x0": 0}, 1: {"x0": 1}}, steps)
    assert handed_over(trace) == {"x0": 1}
    assert handed_over(trace.until(2)) == {"x0": 0}
    assert handed_over(trace.until(0.5)) is None


@pytest.mark.parametrize("workers", [1, 2])
def test_steps_end_with_the_budget(workers: int) -> None:
    policy = Scripted([Job(trial, {"x0": 0}, 3) for trial in range(50)])
    trace = simulate(TABLE, policy, 3, workers)
    assert len(trace.steps) == 18
    assert max(step.time for step in trace.steps) == 18 / workers
