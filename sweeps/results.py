"""What a study has found so far: the study, its trials and its provenance, read once and frozen."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.study import Study
from sweeps.trial import Status, Trial

TRIALS = "trials"
CURVES = "curves.csv"


def trial_folder(folder: Path, number: int) -> Path:
    """The folder of a search trial inside the study's folder."""
    return folder / TRIALS / f"{number:04d}"


@dataclass(frozen=True)
class Results:
    """A study's trials in the order of their numbers, with what is known of the machine and the data."""

    study: Study
    trials: tuple[Trial, ...]
    environment: Mapping[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """What the commands call this run: its folder, which `--fresh` may have renamed."""
        return self.folder.name

    def ranked(self) -> list[Trial]:
        """The completed trials, best metric first; equal metrics in the order of their numbers."""
        complete = [trial for trial in self.trials if trial.status is Status.COMPLETE and trial.value is not None]
        sign = -1.0 if self.study.metric.goal == "maximize" else 1.0
        return sorted(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))

    def counts(self) -> dict[Status, int]:
        """How many trials have each status, zeros included."""
        return {status: sum(trial.status is status for trial in self.trials) for status in Status}

    @property
    def counted(self) -> int:
        """The trials that count towards `run_cap`."""
        return sum(trial.status.counted for trial in self.trials)

    def rows(self, number: int) -> list[dict[str, float]]:
        """Everything the workload yielded in trial `number`: one row per epoch with the key `epoch` first."""
        return read_curves(self.trial_folder(number) / CURVES)

    def trial_folder(self, number: int) -> Path:
        """Where trial `number` keeps its files."""
        return trial_folder(self.folder, number)


def read_curves(path: Path) -> list[dict[str, float]]:
    """The complete rows of a `curves.csv`, ascending by epoch. A last line torn by a kill is left out."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    lines = text[: text.rfind("\n") + 1].splitlines()
    rows = [
        {name: float(cell) for name, cell in row.items() if name and cell not in (None, "")}
        for row in csv.DictReader(lines)
    ]
    return sorted(rows, key=lambda row: row["epoch"])
