"""What a workload swears to: every epoch that it finished and every evaluation, written down before the engine hears.

The file is only ever appended to, one line at a time. It is what was acknowledged, by which the storage is judged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.workload.run import Run

FILE = "testimony.jsonl"


@dataclass(frozen=True)
class Line:
    """An epoch that a trial finished or, with `set_name` and epoch 0, a labelled set that it was measured on."""

    stage: str
    number: int
    epoch: int
    set_name: str
    metrics: str  # as JSON, so that equal figures are equal bit for bit

    @property
    def trial(self) -> tuple[str, int]:
        """The trial's stage and number."""
        return self.stage, self.number

    @property
    def made(self) -> tuple[tuple[str, int], int, str]:
        """What was finished: an epoch of a trial, or its evaluation on a set."""
        return self.trial, self.epoch, self.set_name


def read(data: Path, skip: int = 0) -> list[Line]:
    """The lines in a data folder from the `skip`-th on. A last line torn by a kill was never finished."""
    file = data / FILE
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    whole = text[: text.rfind("\n") + 1].splitlines()
    return [Line(**json.loads(line)) for line in whole[skip:]]


def epochs(trained: Iterable[Mapping[str, float]], run: Run) -> Iterator[Mapping[str, float]]:
    """The epochs of a workload, each sworn to before it is handed on."""
    for metrics in trained:
        _swear(run, run.epoch + 1, "", metrics)
        yield metrics


def sets(evaluated: Iterable[tuple[str, Mapping[str, float]]], run: Run) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The evaluations of a workload, each sworn to before it is handed on."""
    for name, metrics in evaluated:
        _swear(run, 0, name, metrics)
        yield name, metrics


def timed(name: str) -> bool:
    """Whether a metric is of a clock, and so another one at every repetition."""
    return name.endswith(("seconds", "_per_s"))


def _swear(run: Run, epoch: int, set_name: str, metrics: Mapping[str, float]) -> None:
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
    # One write of few bytes to a file opened for appending: a kill leaves the line or nothing, workers do not mix.
    handle = os.open(run.data_dir / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, (json.dumps(line) + "\n").encode())
    finally:
        os.close(handle)
