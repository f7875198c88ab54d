"""Helpers that run studies of the toy workload in this process or through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sweeps.engine import execute as engine
from sweeps.prepare.prepared import settle
from sweeps.runners.inline import InlineRunner
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.study.document import from_text
from sweeps.study.stages import RunRequest, requested_stages
from sweeps.study.study import Study, parse
from sweeps.trial.trial import Trial
from sweeps.validation.checks import check
from sweeps.workload import load

ROOT = Path(__file__).resolve().parents[2]

TOY: dict[str, Any] = {
    "name": "toy",
    "question": "Does the toy learn?",
    "workload": "tests.toy",
    "baseline": {"epochs": 4},
    "method": "random",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "run_cap": 6,
    "parameters": {"lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 10.0}},
}
CHANGING = ("SWEEP_DATA", "SWEEP_DEVICE", "RAY_ADDRESS")  # variables that change a study
ASHA = {"type": "asha", "mode": "stop", "min_iter": 1, "eta": 2}
PROMOTING = {**ASHA, "mode": "promote"}


def toy_text(**settings: Any) -> str:
    """Return the text of a study file, as JSON, which is YAML."""
    return json.dumps({**TOY, **settings}, indent=1)


def toy_study(**settings: Any) -> Study:
    """Return the study of `toy_text`, checked against the toy."""
    document = from_text(toy_text(**settings), "toy.yaml")
    study = parse(document)
    check(study, load(study.workload), document)
    return study


def toy_gate(study: Study) -> ConstraintGate:
    """The constraint gate of a toy study."""
    return ConstraintGate(study, load(study.workload))


class Events:
    """An observer that records all events."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.trainings: list[tuple[float, float]] = []
        self.started: list[tuple[int, int]] = []
        self.epochs: list[tuple[int, int]] = []
        self.paused: list[tuple[int, int]] = []
        self.ended: list[Trial] = []
        self.notes: list[str] = []
        self.interrupted = ""

    def on_stage(self, stage: str, wanted: int | None) -> None:
        self.stages.append((stage, wanted))

    def on_trainings(self, spent: float, budget: float) -> None:
        self.trainings.append((spent, budget))

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        self.started.append((number, resumed_at))

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        self.epochs.append((number, epoch))

    def on_pause(self, stage: str, number: int, epoch: int) -> None:
        self.paused.append((number, epoch))

    def on_end(self, trial: Trial) -> None:
        self.ended.append(trial)

    def on_note(self, text: str) -> None:
        self.notes.append(text)

    def on_interrupt(self, why: str) -> None:
        self.interrupted = why


class Interrupting(Events):
    """Raises KeyboardInterrupt after `after` events, as a kill between two lines of the driver would."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        self._tick()
        super().on_start(stage, number, label, resumed_at)

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        self._tick()

    def on_pause(self, stage: str, number: int, epoch: int) -> None:
        self._tick()

    def on_end(self, trial: Trial) -> None:
        self._tick()

    def _tick(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def run_inline(
    study: Study,
    folder: Path,
    events: Events | None = None,
    stage: str | None = None,
    *,
    cache: bool = False,
    open_again: bool = False,
    repeat: int = 0,
) -> engine.RunResult:
    """Run or resume `study` in this process; `folder` is the runs folder and also holds the toy's data."""
    file = folder / study.name / "environment.json"
    environment = json.loads(file.read_text()) if file.exists() else {}
    prepared = settle(study, load(study.workload), folder / "data", environment)
    request = RunRequest(requested_stages(study, stage), open_again, repeat)
    return engine.run(prepared, folder / study.name, InlineRunner, events or Events(), request, cache)


def acknowledged(folder: Path) -> list[tuple[int, int]]:
    """Return the (trial, epoch) pairs that the toy finished, in order, repetitions included."""
    file = folder / "data" / "epochs.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(trial), int(epoch)) for trial, epoch in map(str.split, lines)]


def sweep(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `sweep` in its own process."""
    return subprocess.run(command(*words), cwd=cwd, env=clean(environment), capture_output=True, text=True, timeout=300)


def command(*words: str | Path) -> list[str]:
    """Return the command line of `sweep` with these words."""
    return [sys.executable, "-m", "sweeps", *map(str, words)]


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without variables that change a study, with one thread, plus `environment`."""
    inherited = {name: value for name, value in os.environ.items() if name not in CHANGING}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**inherited, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", **environment}


HOLD_LOCK = """
import sys
from pathlib import Path
from sweeps.io.lock import driver_lock
with driver_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(folder: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Yield another process that holds the lock of the study in `folder` until its standard input closes."""
    words = [sys.executable, "-c", HOLD_LOCK, str(folder)]
    process = subprocess.Popen(words, env=clean(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
