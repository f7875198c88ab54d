"""A search to make, and what is recorded of one that was made."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks.known_table import KnownTable, read_table

METRIC = "val_accuracy"
WORKLOAD = "benchmarks.search_real.workload"

Found = dict[str, float]
"""What a search cost and found, see `Clock.record`."""


@dataclass(frozen=True)
class Task:
    """A search to make.

    Attributes:
        problem: The name of a table in benchmarks/tables.
        workers: How many trials train at once.
        seed: The seed of the search.
        trainings: The budget of all workers together, in mean full trainings of the table.
        data_dir: The folder with the data set.
        folder: Where the search may write.
    """

    problem: str
    workers: int
    seed: int
    trainings: float
    data_dir: Path
    folder: Path

    @property
    def table(self) -> KnownTable:
        """The full trainings of the problem."""
        return read_table(self.problem)

    @property
    def budget_s(self) -> float:
        """The budget in device-seconds, by the table's prices of an epoch."""
        return self.trainings * self.table.full_s


class Clock:
    """Counts what a search trains, and notes when. The time runs from the start of the process, imports included.

    Attributes:
        epochs: The epochs trained so far.
        trained_s: The seconds in which they trained and validated, by the trainer's own measure.
        handed_out: How often a trial was given to a worker, to begin or to go on.
    """

    def __init__(self) -> None:
        self.epochs, self.trained_s, self.handed_out = 0, 0.0, 0
        self._began = time.perf_counter() - (time.time() - psutil.Process().create_time())
        self._first = self._last = self._began
        self._trained_in_first = 0.0

    def epoch(self, metrics: Mapping[str, float]) -> None:
        """Take note that an epoch has ended."""
        self.epochs += 1
        self.trained_s += metrics["seconds"]
        self._last = time.perf_counter()
        if self.epochs == 1:
            self._first, self._trained_in_first = self._last, self.trained_s

    def record(self, task: Task, settings: Mapping[str, Any], last: tuple[int, float], spent_s: float) -> Found:
        """Return what the search has cost until now, and what the configuration that it hands over is worth.

        `beside_s` is the part of the workers' time, between the ends of the first and the last epoch, in which nothing
        was trained. `off` is how far the configuration's last metric is from the table's for that epoch.

        Args:
            task: The search.
            settings: The configuration that it hands over.
            last: Its last epoch, and the metric then.
            spent_s: What it has spent of its budget.
        """
        row = task.table.nearest(settings)
        return {
            "regret": task.table.regret(row),
            "row": row,
            "off": last[1] - float(task.table.curves[row, last[0] - 1]),
            "wall_s": time.perf_counter() - self._began,
            "first_epoch_s": self._first - self._began,
            "beside_s": task.workers * (self._last - self._first) - (self.trained_s - self._trained_in_first),
            "spent_s": spent_s,
            "trained_s": self.trained_s,
            "epochs": self.epochs,
            "handed_out": self.handed_out,
        }
