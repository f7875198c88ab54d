"""The probe: two epochs in a separate process; errors are reported, not raised."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sweeps.runners.probe import Probe, measure, probe, summarize
from sweeps.runners.protocol import Epoch, Job
from sweeps.workload import Run
from tests.sweeps.support import toy_gate, toy_study


@dataclass(frozen=True)
class Short:
    """Yields `epochs` epochs."""

    epochs: int = 3


def train(recipe: Short, run: Run) -> Iterator[Mapping[str, float]]:
    """A workload that reports its GPU memory: n MiB in its nth epoch."""
    for epoch in range(1, recipe.epochs + 1):
        print("noise on stdout")  # noqa: T201
        yield {"loss": 1.0, "gpu_memory_mib": float(epoch)}


@dataclass(frozen=True)
class Ending:
    """A recipe that says whether the process is ended in its first epoch."""

    early: bool = False
    epochs: int = 3


def ending(recipe: Ending, run: Run) -> Iterator[Mapping[str, float]]:
    """A workload that prints, leaves a process behind and crashes when its process ends."""
    subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    atexit.register(os.kill, os.getpid(), signal.SIGSEGV)  # the last of the three
    atexit.register(os.write, 2, b"not an error\n")
    atexit.register(os.write, 1, b'{"epoch_s": 7.0}\xff')
    for _ in range(recipe.epochs):
        yield {"loss": 1.0}
        if recipe.early:
            os._exit(0)


def job(folder: Path, workload: str = "tests.toy", **baseline: Any) -> Job:
    settings = toy_gate(toy_study(baseline=baseline)).baseline().settings if workload == "tests.toy" else baseline
    return Job(
        stage="search",
        number=0,
        workload=workload,
        settings=settings,
        seed=1,
        split_seed=0,
        device="cpu",
        data_dir=folder,
        folder=folder,
        access=frozenset({"train"}),
    )


def epochs(folder: Path) -> list[str]:
    """The epochs that the toy finished."""
    return [line.split()[1] for line in (folder / "epochs.txt").read_text().splitlines()]


def test_probe_trains_two_epochs_elsewhere_and_leaves_nothing(tmp_path: Path) -> None:
    probed = probe(job(tmp_path, epochs=40))
    assert not probed.error
    assert probed.epoch_s is not None
    assert probed.first_s is not None
    assert probed.epoch_s > 0
    assert probed.first_s > 0
    assert probed.memory_mib is not None
    assert list(probed.metrics) == ["val_accuracy", "train_loss"]
    assert probed.memory_mib > 10
    assert probed.gpu_memory_mib is None
    assert epochs(tmp_path) == ["1", "2"]
    assert [path.name for path in tmp_path.iterdir()] == ["epochs.txt"]


def test_second_epoch_is_the_measure_because_the_first_pays_for_the_start() -> None:
    probed = summarize([Epoch(1, {"loss": 1.0}, 9.0), Epoch(2, {"loss": 1.0}, 2.0)])
    assert (probed.epoch_s, probed.first_s) == (2.0, 9.0)


def test_recipe_of_one_epoch_is_trained_twice(tmp_path: Path) -> None:
    probed = measure(job(tmp_path, epochs=1))
    assert probed.epoch_s is not None
    assert epochs(tmp_path) == ["1", "1"]


def test_device_memory_is_what_the_workload_reports_and_its_output_does_no_harm(tmp_path: Path) -> None:
    assert probe(job(tmp_path, "tests.sweeps.runners.test_probe")).gpu_memory_mib == 2.0


def test_what_a_workload_does_when_its_process_ends_does_no_harm(tmp_path: Path) -> None:
    probed = probe(job(tmp_path, "tests.sweeps.runners.test_probe:ending"))
    assert not probed.error
    assert probed.epoch_s is not None
    assert probed.epoch_s < 7.0


def test_workload_that_ends_the_process_is_reported(tmp_path: Path) -> None:
    probed = probe(job(tmp_path, "tests.sweeps.runners.test_probe:ending", early=True))
    assert probed == Probe(error="the process of the probe ended with status 0")


@pytest.mark.parametrize(
    ("baseline", "error"),
    [
        ({"fault": "raise"}, "RuntimeError: <b>the toy broke</b>"),
        ({"fault": "memory"}, "MemoryError: the toy is too large"),
        ({"fault": "die"}, "the process of the probe was ended by signal 9"),
        ({"epochs": 0}, "the workload yielded no epoch"),
        ({"fault": "text"}, "TypeError: train must yield numbers, but yielded val_accuracy='high'"),
    ],
)
def test_error_is_reported_and_not_raised(baseline: dict[str, Any], error: str, tmp_path: Path) -> None:
    assert probe(job(tmp_path, **baseline)) == Probe(error=error)


def test_workload_that_hangs_is_given_up(tmp_path: Path) -> None:
    probed = probe(job(tmp_path, fault="hang", fault_epoch=1), timeout_s=3)
    assert probed.error == "the probe did not finish 2 epochs within 3 s"


def test_missing_workload_is_reported(tmp_path: Path) -> None:
    assert "BadWorkload" in probe(job(tmp_path, "tests.no_such_module")).error
