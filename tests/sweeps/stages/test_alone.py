"""A run that ran out of memory beside another one and runs once more, alone: however it leaves, the next one starts."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sweeps.engine import execute as engine
from sweeps.prepare.prepared import settle
from sweeps.runners.inline import InlineRunner
from sweeps.runners.protocol import MAX_WORKER_DEATHS, Decision, End, Epoch, Job, Preemption, Scheduler, dispatch
from sweeps.runners.worker import execute
from sweeps.study.stages import RunRequest, stages_of
from sweeps.trial.trial import Outcome, Status
from sweeps.workload import load
from tests.sweeps.support import ASHA, Events, toy_study

Leave = Callable[[Scheduler, Job], None]


def diverges(scheduler: Scheduler, job: Job) -> None:
    assert scheduler.on_epoch(job, Epoch(1, {"val_accuracy": math.nan}, 0.0)) is Decision.STOP


def is_pruned(scheduler: Scheduler, job: Job) -> None:
    assert scheduler.on_epoch(job, Epoch(1, {"val_accuracy": -50.0}, 0.0)) is Decision.STOP


def dies_too_often(scheduler: Scheduler, job: Job) -> None:
    decisions = [scheduler.on_death(job) for _ in range(MAX_WORKER_DEATHS + 1)]
    assert decisions == [Decision.CONTINUE] * MAX_WORKER_DEATHS + [Decision.STOP]


def is_preempted(scheduler: Scheduler, job: Job) -> None:
    scheduler.on_preempted(job, Preemption())


def times_out(scheduler: Scheduler, job: Job) -> None:
    scheduler.on_end(job, End(Outcome(Status.FAILED, "timeout: no progress for 9 s (trial_timeout)"), 9.0))


def is_out_of_memory(scheduler: Scheduler, job: Job) -> None:
    scheduler.on_end(job, End(Outcome(Status.OUT_OF_MEMORY, "no memory is left"), 0.0))


def trains(scheduler: Scheduler, job: Job) -> None:
    """Train it here, to whatever end its recipe leads to."""
    with closing(execute(job)) as events:  # type: ignore[type-var]
        for event in events:
            if dispatch(event, job, scheduler) is Decision.STOP:
                return


class Crowded:
    """A runner whose second job runs out of memory beside the first. After it has had the device, all run inline."""

    def __init__(self, leave: Leave | None) -> None:
        self.leave = leave
        self.alone: Job | None = None

    def run(self, scheduler: Scheduler) -> None:
        first, second = scheduler.suggest(), scheduler.suggest()
        assert first is not None
        assert second is not None
        scheduler.on_end(second, End(Outcome(Status.OUT_OF_MEMORY, "no memory is left"), 0.0))
        assert scheduler.suggest() is None  # until the first has left
        trains(scheduler, first)
        if self.leave is not None:
            self.alone = scheduler.suggest()
            assert self.alone is not None
            assert self.alone.number == second.number
            assert scheduler.suggest() is None  # nothing starts beside it
            self.leave(scheduler, self.alone)
        InlineRunner().run(scheduler)

    def interrupt(self, grace_s: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def run(folder: Path, runner: Crowded, **settings: Any) -> engine.RunResult:
    study = toy_study(**{"run_cap": 4, "method": "random", "baseline": {"epochs": 2}, **settings})
    prepared = settle(study, load(study.workload), folder / "data", {})
    request = RunRequest(stages_of(study))
    return engine.run(prepared, folder / study.name, lambda: runner, Events(), request, cache=False)


@pytest.mark.parametrize(
    ("leave", "status"),
    [
        (diverges, Status.DIVERGED),
        (is_pruned, Status.PRUNED),
        (dies_too_often, Status.FAILED),
        (times_out, Status.FAILED),
        (is_out_of_memory, Status.OUT_OF_MEMORY),
        (trains, Status.COMPLETE),
        (is_preempted, Status.RUNNING),  # it continues at the next start
    ],
)
def test_scheduler_hands_out_the_next_job_however_the_lone_one_left(
    tmp_path: Path, leave: Leave, status: Status
) -> None:
    searched = {"lr": {"values": [0.1, 0.11, 0.12, 0.13, 0.14]}}
    early = {"early_terminate": ASHA} if leave is is_pruned else {}
    result = run(tmp_path, Crowded(leave), parameters=searched, **early)
    assert result.results.trials[1].status is status
    assert all(trial.ended for trial in result.results.trials if trial.number != 1)
    assert result.results.counted >= 3
    assert (result.failure == "") == (status is not Status.RUNNING)


@pytest.mark.parametrize(
    ("fault", "status"),
    [("nan", Status.DIVERGED), ("raise", Status.FAILED), ("memory", Status.OUT_OF_MEMORY), ("prune", Status.PRUNED)],
)
def test_study_goes_on_after_a_run_that_the_inline_runner_trained_alone(
    tmp_path: Path, fault: str, status: Status
) -> None:
    searched: dict[str, Any] = {"fault": {"values": ["", fault]}, "lr": {"values": [0.1, 0.11]}}
    settings: dict[str, Any] = {"baseline": {"epochs": 2, "lr": 0.1}, "parameters": searched}
    if fault == "prune":
        settings = {"parameters": {"lr": {"values": [0.1, 5.0, 0.11, 0.12]}}, "early_terminate": ASHA}
    result = run(tmp_path, Crowded(None), **settings)
    assert "the runner ended before the study was done" not in result.failure
    assert status in {trial.status for trial in result.results.trials}
    assert all(trial.ended for trial in result.results.trials)


def test_run_whose_neighbour_ended_before_it_says_that_memory_ran_out_runs_again(tmp_path: Path) -> None:
    class Slow(Crowded):
        def run(self, scheduler: Scheduler) -> None:
            first, second = scheduler.suggest(), scheduler.suggest()
            assert first is not None
            assert second is not None
            trains(scheduler, first)
            is_out_of_memory(scheduler, second)  # beside the first one; since then it has measured what would fit
            self.alone = scheduler.suggest()
            assert self.alone is not None
            assert self.alone.number == second.number
            is_out_of_memory(scheduler, self.alone)
            InlineRunner().run(scheduler)

    result = run(tmp_path, Slow(None), parameters={"lr": {"values": [0.1, 0.11, 0.12, 0.13]}})
    assert result.results.trials[1].status is Status.OUT_OF_MEMORY
    assert all(trial.ended for trial in result.results.trials)


def test_budget_that_ends_beside_the_lone_run_ends_the_study_as_spent(tmp_path: Path) -> None:
    def takes_long(scheduler: Scheduler, job: Job) -> None:
        scheduler.on_epoch(job, Epoch(1, {"val_accuracy": 1.0}, 3600.0))
        scheduler.on_end(job, End(Outcome(Status.COMPLETE), 3600.0))

    searched = {"lr": {"values": [0.1, 0.11, 0.12, 0.13]}}
    result = run(tmp_path, Crowded(takes_long), parameters=searched, budget={"gpu_hours": 1.0})
    assert (result.failure, result.exhausted) == ("", "search")
