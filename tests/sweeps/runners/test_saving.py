"""A job whose state is saved beside its training: what its events promise about the disk."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.artifacts.checkpoint import EVERY_S, CheckpointFolder
from sweeps.runners.protocol import End, Epoch, Event, Job, Preemption
from sweeps.runners.worker import execute
from sweeps.trial.trial import Status
from tests.sweeps.support import ASHA, run_inline, toy_study

SETTINGS: dict[str, Any] = {"epochs": 3, "beside": True}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    folder = tmp_path / "0000"
    folder.mkdir()
    return Job("search", 0, SETTINGS, workload="tests.toy", data_dir=tmp_path / "data", folder=folder)


def saved(job: Job) -> int | None:
    """Return the epoch that a job would continue from."""
    checkpoint = CheckpointFolder(job.folder / "checkpoint").restore()
    return checkpoint and json.loads((checkpoint.folder / "state.json").read_text())["epoch"]


def until(job: Job, epoch: int) -> list[dict[str, float]]:
    """Train a job, as if its process was killed when it tells `epoch`; return the metrics."""
    rows = []
    with closing(execute(job)) as events:  # type: ignore[type-var]
        for event in events:
            assert isinstance(event, Epoch)
            rows.append(dict(event.metrics))
            if event.number == epoch:
                break
    return rows


@pytest.mark.parametrize("every_s", [0.0, EVERY_S])
def test_end_is_told_when_the_last_state_is_on_disk(job: Job, every_s: float) -> None:
    at_end = [saved(job) for event in execute(replace(job, checkpoint_every=every_s)) if isinstance(event, End)]
    assert at_end == [3]


@pytest.mark.parametrize("every_s", [0.0, EVERY_S])
def test_pause_is_told_when_its_state_is_on_disk(job: Job, every_s: float) -> None:
    events = [(event, saved(job)) for event in execute(replace(job, checkpoint_every=every_s, until=2))]
    assert events[-1] == (Preemption(), 2)


@pytest.mark.parametrize("every_s", [0.0, EVERY_S])
def test_job_that_is_asked_to_stop_saves_the_epoch(job: Job, every_s: float, tmp_path: Path) -> None:
    events: list[Event] = []
    for event in execute(replace(job, checkpoint_every=every_s, stop_file=tmp_path / "stop")):
        (tmp_path / "stop").touch()
        events.append(event)
    assert events[-1] == Preemption()
    assert saved(job) == 1


@pytest.mark.parametrize(("every_s", "left"), [(0.0, 1), (EVERY_S, None)])
def test_job_that_resumes_trains_the_epochs_without_a_state_again_with_equal_metrics(
    job: Job, every_s: float, left: int | None
) -> None:
    job = replace(job, checkpoint_every=every_s)
    whole = until(replace(job, folder=job.folder.parent), 3)
    assert until(job, 2) == whole[:2]
    assert saved(job) == left
    assert until(job, 3) == whole[left or 0 :]


def test_job_leaves_no_thread_when_it_is_stopped(job: Job) -> None:
    until(replace(job, checkpoint_every=0.0), 2)
    assert not list((job.folder / "checkpoint").glob(".*"))


@pytest.mark.parametrize(("every_s", "epochs"), [(0.0, [1, 2]), (EVERY_S, [1, 2, 3])])
def test_full_disk_is_no_failure_of_the_trial(
    job: Job, monkeypatch: pytest.MonkeyPatch, every_s: float, epochs: list[int]
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    events = [*execute(replace(job, checkpoint_every=every_s))]
    assert [event.number for event in events if isinstance(event, Epoch)] == epochs
    assert isinstance(events[-1], Preemption)
    assert "no space is left on the device" in events[-1].reason


def leftovers(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.name.startswith(".") or "checkpoint" in path.name:
            yield path.relative_to(folder).as_posix()


@pytest.mark.parametrize("every_s", [0, None])
def test_study_keeps_the_states_of_complete_trials_alone(tmp_path: Path, every_s: float | None) -> None:
    study = toy_study(baseline={**SETTINGS, "epochs": 4}, early_terminate=ASHA, run_cap=8, checkpoint_every=every_s)
    results = run_inline(study, tmp_path).results
    assert {trial.status for trial in results.trials} == {Status.COMPLETE, Status.PRUNED}
    for trial in results.trials:
        kept = [*leftovers(results.trial_folder(trial.number))]
        assert kept == (["checkpoint"] if trial.status is Status.COMPLETE else []), trial
        if kept:
            assert saved(Job("", 0, {}, folder=results.trial_folder(trial.number))) == 4
