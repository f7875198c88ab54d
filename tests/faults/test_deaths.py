"""Workers that die and devices that are full: counted, gone on from the checkpoint, and given up in the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sweeps.engine import execute as engine
from sweeps.prepare.prepared import settle
from sweeps.runners.protocol import MAX_WORKER_DEATHS, Decision, End, Epoch, Event, Job, Scheduler, dispatch
from sweeps.runners.worker import execute
from sweeps.stages.schedule import RunRequest
from sweeps.study.stages import stages_of
from sweeps.trial.trial import Outcome, Status
from sweeps.workload import load
from tests.sweeps.support import Events, acknowledged, toy_study


class Deadly:
    """Trains in this process as two workers would, turn by turn; those of `doomed` die after an epoch, again and again.

    `full` are runs that have no memory as long as another one is there.
    """

    def __init__(self, doomed: dict[int, int], full: frozenset[int] = frozenset()) -> None:
        self.left, self.full = dict(doomed), full
        self.beside: list[tuple[int, int]] = []  # (a run of `full` that is begun, how many run with it)

    def run(self, scheduler: Scheduler) -> None:
        live: dict[int, tuple[Job, Iterator[Event]]] = {}
        while not scheduler.stopping:
            while len(live) < 2 and (job := scheduler.suggest()) is not None:
                live[job.number] = job, execute(job)
                if job.number in self.full:
                    self.beside.append((job.number, len(live)))
            if not live:
                return
            for number, (job, events) in list(live.items()):
                event = self._next(job, events, len(live))
                if event is None:
                    del live[number]
                    if scheduler.on_death(job) is Decision.CONTINUE:
                        live[number] = job, execute(job)
                elif dispatch(event, job, scheduler) is Decision.STOP:
                    with closing(events):  # type: ignore[type-var]
                        del live[number]

    def _next(self, job: Job, events: Iterator[Event], running: int) -> Event | None:
        event = next(events)
        if job.number in self.full and running > 1:
            return End(Outcome(Status.OUT_OF_MEMORY, "no memory is left"), 0.0)
        if isinstance(event, Epoch) and self.left.get(job.number, 0):
            self.left[job.number] -= 1
            return None
        return event

    def interrupt(self, grace_s: float) -> None:
        """Nothing is interrupted."""

    def close(self) -> None:
        """Nothing is held."""


def run(folder: Path, runner: Deadly, events: Events, **settings: Any) -> engine.RunResult:
    study = toy_study(**{"method": "random", "run_cap": 3, "baseline": {"epochs": 3}, **settings})
    plan = settle(study, load(study.workload), folder / "data", {})
    return engine.run(plan, folder / study.name, lambda: runner, events, RunRequest(stages_of(study)), cache=False)


def test_run_whose_worker_dies_goes_on_as_often_as_is_allowed(tmp_path: Path) -> None:
    events = Events()
    results = run(tmp_path, Deadly({1: MAX_WORKER_DEATHS}), events).results
    assert [(trial.status, trial.deaths) for trial in results.trials[:3]] == [
        (Status.COMPLETE, 0), (Status.COMPLETE, MAX_WORKER_DEATHS), (Status.COMPLETE, 0),
    ]  # fmt: skip
    assert [note for note in events.notes if note.startswith("search 1: its worker died")][-1].endswith("3 of 3 times")


def test_run_whose_worker_dies_again_and_again_is_given_up_with_the_reason(tmp_path: Path) -> None:
    finish = run(tmp_path, Deadly({1: 99}), Events())
    trial = finish.results.trials[1]
    assert (trial.status, trial.deaths) == (Status.FAILED, MAX_WORKER_DEATHS + 1)
    assert trial.reason == "its worker died 4 times (killed, or out of host memory)"
    assert finish.complete
    assert finish.results.counted == 3


def test_run_without_memory_beside_others_is_run_once_more_alone(tmp_path: Path) -> None:
    runner, events = Deadly({}, frozenset({1})), Events()
    results = run(tmp_path, runner, events).results
    assert [trial.status for trial in results.trials] == [Status.COMPLETE] * 3
    assert runner.beside == [(1, 2), (1, 1)]
    assert "search 1: no memory is left: once more, with the device for itself" in events.notes
    assert len(acknowledged(tmp_path)) == 3 * 3 + 1  # its first epoch was trained in vain


def test_run_that_has_the_device_for_itself_is_not_run_again(tmp_path: Path) -> None:
    results = run(tmp_path, Deadly({}), Events(), run_cap=1, baseline={"fault": "device memory"}).results
    assert results.trials[0].status is Status.OUT_OF_MEMORY
    assert results.trials[0].reason == "OutOfMemory: peak 7.1 of 8.0 GiB; batch_size 64 would fit"
    assert {number for number, _ in acknowledged(tmp_path)} == {0}
