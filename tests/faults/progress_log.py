"""A log of every epoch and evaluation that a workload finished, written before the engine receives its metrics.

The file is append-only, one JSON line per entry. `audit.py` compares the storage with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.workload.run import Run

FILE = "progress_log.jsonl"


@dataclass(frozen=True)
class Line:
    """A finished epoch of a trial or, with epoch 0, its evaluation on the labelled set `set_name`."""

    stage: str
    number: int
    epoch: int
    set_name: str
    metrics: str  # as JSON, so that a comparison is exact

    @property
    def trial(self) -> tuple[str, int]:
        """Return the trial's stage and number."""
        return self.stage, self.number

    @property
    def made(self) -> tuple[tuple[str, int], int, str]:
        """Return the identity of the work: the trial, the epoch and the set."""
        return self.trial, self.epoch, self.set_name


def read(data: Path, skip: int = 0) -> list[Line]:
    """Return the lines in a data folder from the `skip`-th on, without a last line that a kill cut off."""
    file = data / FILE
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [Line(**json.loads(line)) for line in lines[skip:]]


def epochs(trained: Iterable[Mapping[str, float]], run: Run) -> Iterator[Mapping[str, float]]:
    """Yield the epochs of a workload, each logged first."""
    for metrics in trained:
        _append(run, run.epoch + 1, "", metrics)
        yield metrics


def sets(evaluated: Iterable[tuple[str, Mapping[str, float]]], run: Run) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield the evaluations of a workload, each logged first."""
    for name, metrics in evaluated:
        _append(run, 0, name, metrics)
        yield name, metrics


def timed(name: str) -> bool:
    """Return whether a metric depends on the clock, so that a repetition differs."""
    return name.endswith(("seconds", "_per_s"))


def _append(run: Run, epoch: int, set_name: str, metrics: Mapping[str, float]) -> None:
    stage, number = run.folder.parent.name, int(run.folder.name)
    figures = json.dumps({name: float(value) for name, value in metrics.items() if not timed(name)})
    line: dict[str, Any] = {
        "stage": "search" if stage == "trials" else stage,
        "number": number,
        "epoch": epoch,
        "set_name": set_name,
        "metrics": figures,
    }
    run.data_dir.mkdir(parents=True, exist_ok=True)
    # One short write in append mode is atomic: a kill leaves the line or nothing, and workers do not interleave.
    handle = os.open(run.data_dir / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, (json.dumps(line) + "\n").encode())
    finally:
        os.close(handle)
