"""A rival of a few lines for the tests: of two trials of one epoch, the better one goes on to the end."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks.search_quality.rivals.serve import Job, Task


class PairsSearch:
    """Its last trial is one for which it was told a move."""

    def __init__(self, task: Task) -> None:
        self._task, self._rng = task, random.Random(task.seed)
        self._parameters: list[Mapping[str, Any]] = []
        self._values: dict[int, float] = {}

    def next(self) -> Job | None:
        if len(self._values) == 2:
            best = max(self._values, key=lambda trial: self._values[trial])
            self._values = {}
            return Job(best, self._parameters[best], self._task.epochs)
        if len(self._parameters) == 4:
            return None
        drawn = {item.key: self._drawn(item.values, item.low, item.high) for item in self._task.dimensions}
        self._parameters.append(drawn)
        return Job(len(self._parameters) - 1, drawn, 1)

    def _drawn(self, values: Any, low: float, high: float) -> Any:
        return self._rng.choice(values) if values is not None else self._rng.randint(int(low), int(high))

    def moved(self, trial: int, parameters: Mapping[str, Any]) -> None:
        self._parameters[trial] = parameters

    def told(self, trial: int, epoch: int, value: float) -> bool:
        sys.stdout.write("what a library prints is no answer\n")
        if epoch == 1:
            self._values[trial] = value
        return epoch < 5


def begin(task: Task) -> PairsSearch:
    return PairsSearch(task)


def version() -> str:
    return "pairs 1"
