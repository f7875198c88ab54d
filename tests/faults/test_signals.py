"""Signals and hangs: an orderly end within the grace period, and a hanging trial does not block the study."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.engine import signals
from sweeps.storage.runs import open_results
from sweeps.trial.trial import Status
from tests.sweeps.support import Events, acknowledged, run_inline, sweep, toy_study, toy_text

LONG: dict[str, Any] = {"method": "random", "run_cap": 2, "baseline": {"epochs": 5}}


class SendSignals(Events):
    """Sends this process signals when a trial has recorded its `epoch`-th epoch."""

    def __init__(self, epoch: int, numbers: tuple[signal.Signals, ...]) -> None:
        super().__init__()
        self._epoch, self._numbers = epoch, numbers

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Any) -> None:
        super().on_epoch(stage, number, epoch, metrics)
        if epoch == self._epoch and not self.interrupted:
            for number_sent in self._numbers:
                os.kill(os.getpid(), number_sent)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_run_that_reaches_an_epochs_end_within_the_grace_saves_it(tmp_path: Path, number: signal.Signals) -> None:
    events = SendSignals(2, (number,))
    result = run_inline(toy_study(**LONG), tmp_path, events)
    assert result.signal is number
    assert f"{number.name}: no new trials; running trials (1) have 25 s to finish their epoch" in events.interrupted
    trials = result.results.trials
    assert [(trial.status, trial.epochs) for trial in trials] == [(Status.RUNNING, 2)]
    saved = CheckpointFolder(result.results.trial_folder(0) / "checkpoint").restore()
    assert saved is not None
    assert saved.epoch == 2
    assert run_inline(toy_study(**LONG), tmp_path).complete
    times = acknowledged(tmp_path)
    assert len(times) == len(set(times)) == 10  # no epoch was trained twice


def test_run_that_does_not_reach_an_epochs_end_stays_at_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_GRACE_S", "0.3")
    stuck = {"epochs": 5, "fault": "signal", "fault_epoch": 3, "wait_for": "go", "wait_from": 3}
    settings = {**LONG, "run_cap": 1, "baseline": stuck}
    result = run_inline(toy_study(**settings), tmp_path)
    assert result.signal is signal.SIGTERM
    assert [(trial.status, trial.epochs) for trial in result.results.trials] == [(Status.RUNNING, 2)]
    (tmp_path / "data" / "go").touch()
    assert run_inline(toy_study(**settings), tmp_path).complete


def test_repeat_of_a_signal_by_its_sender_does_not_end_at_once(tmp_path: Path) -> None:
    result = run_inline(toy_study(**LONG), tmp_path, SendSignals(2, (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP)))
    assert result.signal is signal.SIGTERM
    assert [(trial.status, trial.epochs) for trial in result.results.trials] == [(Status.RUNNING, 2)]


def test_second_signal_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "SAME_REQUEST_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        run_inline(toy_study(**LONG), tmp_path, SendSignals(2, (signal.SIGTERM, signal.SIGTERM)))
    assert run_inline(toy_study(**LONG), tmp_path).complete
    times = acknowledged(tmp_path)
    assert len(times) - len(set(times)) <= 1


def test_run_whose_workload_turns_the_end_of_the_grace_into_an_error_is_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_GRACE_S", "0.2")
    settings = {**LONG, "run_cap": 1, "baseline": {"epochs": 3, "fault": "replaced"}}
    result = run_inline(toy_study(**settings), tmp_path)
    assert [(trial.status, trial.epochs) for trial in result.results.trials] == [(Status.RUNNING, 1)]
    assert run_inline(toy_study(**settings), tmp_path).complete


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
def test_impossible_grace_is_an_error_before_anything_runs(tmp_path: Path, value: str) -> None:
    (tmp_path / "toy.yaml").write_text(toy_text(**LONG))
    done = sweep("run", "toy.yaml", "--runner", "inline", cwd=tmp_path, SWEEP_GRACE_S=value)
    assert done.returncode == 2
    assert done.stderr == f"error: SWEEP_GRACE_S must be a number of seconds, 0 or more, but is '{value}'\n"
    assert not (tmp_path / "runs").exists()


# -- hangs ------------------------------------------------------------------------------------------------------------


def test_run_that_hangs_is_failed_and_the_study_goes_on(tmp_path: Path) -> None:
    settings = {
        "method": "grid",
        "run_cap": 3,
        "trial_timeout": 0.5,
        "parameters": {"fault": {"values": ["none", "hang", "no"]}},
    }
    results = run_inline(toy_study(**settings), tmp_path).results
    ends = [(trial.status, trial.reason) for trial in results.trials if trial.parameters["fault"] != "hang"]
    assert ends == [(Status.COMPLETE, "")] * 2
    hung = [trial for trial in results.trials if trial.parameters["fault"] == "hang"]
    assert hung[0].status is Status.FAILED
    assert {trial.reason for trial in hung} == {"timeout: no progress for 0.5 s (trial_timeout)"}
    log = (results.trial_folder(1) / "log.txt").read_text()
    assert "_go_wrong" in log  # where it hung


def test_run_that_makes_progress_does_not_time_out(tmp_path: Path) -> None:
    settings = {**LONG, "run_cap": 1, "trial_timeout": 0.4, "baseline": {"epochs": 6, "pause": 0.15}}
    results = run_inline(toy_study(**settings), tmp_path).results
    assert results.trials[0].status is Status.COMPLETE
    assert results.trials[0].seconds > 0.4


# -- the stop file ----------------------------------------------------------------------------------------------------


def test_stop_file_of_an_earlier_run_does_not_end_the_next(tmp_path: Path) -> None:
    run_inline(toy_study(**LONG), tmp_path, SendSignals(2, (signal.SIGTERM,)))
    assert (tmp_path / "toy" / "stop").exists()
    assert run_inline(toy_study(**LONG), tmp_path).complete
    assert open_results(tmp_path, "toy").counted == 2
