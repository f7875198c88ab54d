"""Worker deaths and full devices: counted, resumed from the checkpoint, and failed after too many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sweeps.engine import execute as engine
from sweeps.prepare.prepared import settle
from sweeps.runners.protocol import MAX_WORKER_DEATHS, Decision, End, Epoch, Event, Job, Scheduler, dispatch
from sweeps.runners.worker import execute
from sweeps.study.stages import RunRequest, stages_of
from sweeps.trial.trial import Outcome, Status
from sweeps.workload import load
from tests.sweeps.support import Events, acknowledged, toy_study


class DyingWorkers:
    """A runner that trains two runs in turn in this process, and simulates deaths and full devices.

    Attributes:
        deaths: By run, how often its worker still dies after an epoch.
        full: Runs that are out of memory while another one runs.
        beside: (a run of `full`, how many run with it, itself included) at each of its starts.
    """

    def __init__(self, deaths: dict[int, int], full: frozenset[int] = frozenset()) -> None:
        self.deaths, self.full = dict(deaths), full
        self.beside: list[tuple[int, int]] = []

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
        if isinstance(event, Epoch) and self.deaths.get(job.number, 0):
            self.deaths[job.number] -= 1
            return None
        return event

    def interrupt(self, grace_s: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def run(folder: Path, runner: DyingWorkers, events: Events, **settings: Any) -> engine.RunResult:
    study = toy_study(**{"method": "random", "run_cap": 3, "baseline": {"epochs": 3}, **settings})
    prepared = settle(study, load(study.workload), folder / "data", {})
    return engine.run(prepared, folder / study.name, lambda: runner, events, RunRequest(stages_of(study)), cache=False)


def test_run_resumes_after_up_to_the_allowed_worker_deaths(tmp_path: Path) -> None:
    events = Events()
    results = run(tmp_path, DyingWorkers({1: MAX_WORKER_DEATHS}), events).results
    assert [(trial.status, trial.deaths) for trial in results.trials[:3]] == [
        (Status.COMPLETE, 0), (Status.COMPLETE, MAX_WORKER_DEATHS), (Status.COMPLETE, 0),
    ]  # fmt: skip
    deaths = [note for note in events.notes if note.startswith("search 1: its worker died")]
    assert deaths[-1].endswith("restarting from its checkpoint (death 3 of 3)")


def test_run_with_too_many_worker_deaths_fails_with_the_reason(tmp_path: Path) -> None:
    result = run(tmp_path, DyingWorkers({1: 99}), Events())
    trial = result.results.trials[1]
    assert (trial.status, trial.deaths) == (Status.FAILED, MAX_WORKER_DEATHS + 1)
    assert trial.reason == "its worker died 4 times (killed, or out of host memory)"
    assert result.complete
    assert result.results.counted == 3


def test_run_out_of_memory_beside_others_runs_again_alone(tmp_path: Path) -> None:
    runner, events = DyingWorkers({}, frozenset({1})), Events()
    results = run(tmp_path, runner, events).results
    assert [trial.status for trial in results.trials] == [Status.COMPLETE] * 3
    assert runner.beside == [(1, 2), (1, 1)]
    assert "search 1: no memory is left: once more, with the device for itself" in events.notes
    assert len(acknowledged(tmp_path)) == 3 * 3 + 1  # its first epoch was trained twice


def test_run_out_of_memory_alone_does_not_run_again(tmp_path: Path) -> None:
    results = run(tmp_path, DyingWorkers({}), Events(), run_cap=1, baseline={"fault": "device memory"}).results
    assert results.trials[0].status is Status.OUT_OF_MEMORY
    assert results.trials[0].reason == "OutOfMemory: peak 7.1 of 8.0 GiB; batch_size 64 would fit"
    assert {number for number, _ in acknowledged(tmp_path)} == {0}
