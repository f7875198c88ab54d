"""A process whose device is lost takes no further run; the run goes on once in a new one, and no other one suffers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sweeps.engine import execute as engine
from sweeps.prepare.prepared import settle
from sweeps.runners.protocol import Decision, DeviceLoss, Event, Job, RunnerLost, Scheduler, dispatch
from sweeps.runners.worker import execute
from sweeps.storage.runs import open_results
from sweeps.study.stages import RunRequest, stages_of
from sweeps.trial.trial import Status
from sweeps.workload import load
from tests import toy
from tests.sweeps.support import Events, acknowledged, run_inline, sweep, toy_study, toy_text

FAILED_TWICE = (
    "its device failed 2 times, at last with DeviceLost: CUDA error: an illegal memory access was encountered"
)


class Processes:
    """A runner that trains two runs in turn. This process stands for the workers: its toy's device is mended between.

    Attributes:
        losses: The runs that lost their device, in order.
    """

    def __init__(self) -> None:
        self.losses: list[int] = []

    def run(self, scheduler: Scheduler) -> None:
        live: dict[int, tuple[Job, Iterator[Event]]] = {}
        while not scheduler.stopping:
            while len(live) < 2 and (job := scheduler.suggest()) is not None:
                live[job.number] = job, execute(job)
            if not live:
                return
            for number, (job, events) in list(live.items()):
                self._forward(number, job, events, live, scheduler)

    def _forward(
        self,
        number: int,
        job: Job,
        events: Iterator[Event],
        live: dict[int, tuple[Job, Iterator[Event]]],
        scheduler: Scheduler,
    ) -> None:
        event = next(events)
        if dispatch(event, job, scheduler) is Decision.STOP:
            with closing(events):  # type: ignore[type-var]
                del live[number]
        elif isinstance(event, DeviceLoss):
            self.losses.append(number)
            toy.device_lost = False  # a new process
            del live[number]
            if scheduler.on_death(job) is Decision.CONTINUE:
                live[number] = job, execute(job)

    def interrupt(self, grace_s: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture(autouse=True)
def _device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy, "device_lost", False)


def run(folder: Path, runner: Processes, events: Events, **settings: Any) -> engine.RunResult:
    study = toy_study(**{"method": "grid", "baseline": {"epochs": 3}, **settings})
    prepared = settle(study, load(study.workload), folder / "data", {})
    return engine.run(prepared, folder / study.name, lambda: runner, events, RunRequest(stages_of(study)), cache=False)


def faults(*values: str) -> dict[str, Any]:
    return {"parameters": {"fault": {"values": list(values)}}, "run_cap": len(values)}


def test_run_that_lost_its_device_goes_on_from_its_checkpoint_in_a_new_process(tmp_path: Path) -> None:
    runner, events = Processes(), Events()
    results = run(tmp_path, runner, events, **faults("lost", "none", "no")).results
    assert [(trial.status, trial.deaths) for trial in results.trials] == [(Status.COMPLETE, 0)] * 3
    assert runner.losses == [0]
    assert Counter(acknowledged(tmp_path))[0, 1] == 1
    (note,) = [note for note in events.notes if "device failed" in note]
    assert note == (
        "search 0: its device failed after epoch 1 (DeviceLost: CUDA error: an illegal memory access was encountered): "
        "once more from its checkpoint, in a new process"
    )


def test_run_that_loses_its_device_twice_fails_with_the_reason(tmp_path: Path) -> None:
    runner = Processes()
    result = run(tmp_path, runner, Events(), **faults("lost always", "none", "no"))
    first, second, third, *again = result.results.trials
    assert (first.status, first.reason, first.deaths) == (Status.FAILED, FAILED_TWICE, 0)
    assert (second.status, third.status) == (Status.COMPLETE, Status.COMPLETE)
    # A grid tries a configuration that failed again, at last.
    assert runner.losses == [0, 0, *(trial.number for trial in again for _ in range(2))]
    assert "an illegal memory access" in (tmp_path / "toy" / "trials" / "0000" / "log.txt").read_text()


def test_losses_of_many_runs_neither_stop_the_study_nor_count_as_deaths(tmp_path: Path) -> None:
    runner = Processes()
    result = run(
        tmp_path, runner, Events(), baseline={"epochs": 3, "fault": "lost"},
        parameters={"lr": {"values": [0.1, 0.11, 0.12, 0.13, 0.14]}}, run_cap=5,
    )  # fmt: skip
    assert result.complete
    assert [(trial.status, trial.deaths) for trial in result.results.trials] == [(Status.COMPLETE, 0)] * 5
    assert sorted(runner.losses) == list(range(5))


def test_device_that_every_run_loses_twice_stops_the_study(tmp_path: Path) -> None:
    result = run(
        tmp_path, Processes(), Events(), baseline={"epochs": 3, "fault": "lost always"},
        parameters={"lr": {"values": [0.1, 0.11, 0.12, 0.13, 0.14]}}, run_cap=5,
    )  # fmt: skip
    assert result.failure == f"3 trials in a row failed, the last one with: {FAILED_TWICE}"


def test_device_lost_in_an_evaluation_is_evaluated_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated, lost = toy.evaluate, []

    def evaluate(recipe: toy.Toy, run: Any, entries: Any) -> Iterator[Any]:
        if not lost:
            lost.append(run.folder.name)
            toy._lose_device()
        yield from evaluated(recipe, run, entries)

    monkeypatch.setattr(toy, "evaluate", evaluate)
    runner = Processes()
    settings: dict[str, Any] = {"parameters": {"lr": {"values": [0.1, 0.11]}}, "run_cap": 2, "final": {"seeds": 2}}
    result = run(tmp_path, runner, Events(), **settings)
    assert result.complete
    final = result.results.stages["final"].trials
    assert [trial.status for trial in final] == [Status.COMPLETE] * 2
    assert len(runner.losses) == 1
    assert all(trial.metrics["test"]["accuracy"] > 0 for trial in final)


def test_inline_runner_ends_the_study_and_the_next_start_goes_on(tmp_path: Path) -> None:
    study = toy_study(method="grid", baseline={"epochs": 3}, **faults("lost", "none", "no"))
    with pytest.raises(RunnerLost, match="this process can use its device no more"):
        run_inline(study, tmp_path)
    assert acknowledged(tmp_path) == [(0, 1)]  # no run has followed
    toy.device_lost = False  # a new process
    result = run_inline(study, tmp_path)
    assert [(trial.status, trial.deaths) for trial in result.results.trials] == [(Status.COMPLETE, 0)] * 3
    assert Counter(acknowledged(tmp_path))[0, 1] == 1


def test_losses_are_counted_over_starts(tmp_path: Path) -> None:
    study = toy_study(method="grid", baseline={"epochs": 3}, **faults("lost always", "none", "no"))
    for _ in range(2):
        with pytest.raises(RunnerLost):
            run_inline(study, tmp_path)
        toy.device_lost = False
    (first,) = open_results(tmp_path, "toy").trials
    assert (first.status, first.reason) == (Status.FAILED, FAILED_TWICE)


def test_command_ends_with_75_and_goes_on_when_it_is_repeated(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(toy_text(**faults("lost", "none"), baseline={"epochs": 2}, method="grid"))
    words = ("run", "toy.yaml", "--runner", "inline", "--data-dir", "data")
    first = sweep(*words, cwd=tmp_path)
    assert first.returncode == 75, first.stderr
    assert "can use its device no more" in first.stderr
    assert first.stderr.rstrip().endswith("run the same command again to go on")
    ended = json.loads((tmp_path / "runs" / "toy" / "environment.json").read_text())["ended"]
    assert "its device" in json.dumps(ended)
    assert sweep(*words, cwd=tmp_path).returncode == 0
