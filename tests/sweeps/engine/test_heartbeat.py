"""A run off a terminal says how it stands whenever nothing else has been said for a while."""

from __future__ import annotations

import threading

import pytest

from sweeps.engine.heartbeat import Heartbeat
from sweeps.engine.progress import Progress
from tests.sweeps.support import toy_study


def test_silence_is_broken_again_and_again() -> None:
    said = threading.Semaphore(0)
    heart = Heartbeat(lambda: said.release(), every_s=0.001)
    heart.start()
    assert said.acquire(timeout=60)
    assert said.acquire(timeout=60)
    heart.stop()


def test_nothing_is_said_before_its_time_nor_afterwards() -> None:
    said: list[int] = []
    heart = Heartbeat(lambda: said.append(1), every_s=3600)
    heart.start()
    heart.stop()
    assert said == []


def test_line_has_the_epoch_and_the_value_of_each_running_trial(capfd: pytest.CaptureFixture[str]) -> None:
    with Progress(toy_study(), None, 40, percentages=["accuracy"]) as progress:
        progress.on_prepare("starting Ray")
        progress._beat()
        progress.on_start("search", 3, "lr=0.1", 0)
        progress.on_start("confirm", 0, "trial 2", 0)
        progress.on_epoch("search", 3, 12, {"val_accuracy": 61.5})
        progress._beat()
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "starting Ray … 0 s"
    assert lines[-1] == "running: trial 3 epoch 12/40, validation accuracy 61.50 %, confirm 0 epoch 0/40"
