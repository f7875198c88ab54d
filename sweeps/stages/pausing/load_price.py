"""What it costs to load a paused trial's state, measured by how much longer the first epoch after it takes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence

from sweeps.artifacts.curves import EPOCH, SECONDS

LEAST_S = 0.1
"""A shorter time to load counts as nothing."""
LEAST_MEASURED = 3
"""Fewer measurements count as none: a machine that was busy for a moment would decide."""


class LoadPrice:
    """The price of handing out a paused trial: the median over all times that one went on.

    It includes all that precedes the first epoch in its process: reading the state, building the model, compiling it.
    """

    def __init__(self) -> None:
        self._measured: dict[tuple[int, int], float] = {}  # by trial and the epoch after which it went on
        self._epoch_s: dict[int, float] = {}  # the median epoch of each trial

    def learn(self, number: int, rows: Sequence[Mapping[str, float]], starts: Collection[int]) -> None:
        """Take in what a trial has trained.

        Args:
            number: The trial.
            rows: The rows of its curve.
            starts: The epochs after which it was handed out; 0 for its first start.
        """
        seconds = {int(row[EPOCH]): row[SECONDS] for row in rows}
        firsts = {start + 1 for start in starts}
        others = [took for epoch, took in seconds.items() if epoch not in firsts]
        if not others or not statistics.median(others):  # too short to tell, or supplied by the result cache
            return
        self._epoch_s[number] = statistics.median(others)
        for start in starts:
            if start and start + 1 in seconds:
                self._measured[number, start] = max(0.0, seconds[start + 1] - self._epoch_s[number])

    @property
    def seconds(self) -> float | None:
        """The median price so far; None before the first measurement."""
        return statistics.median(self._measured.values()) if self._measured else None

    @property
    def slowest_epoch_s(self) -> float:
        """The seconds of an epoch of the slowest trial, by the median of each; 0 while none is known.

        The first epoch after each start is not among them: in it, a process may have imported torch and read its data.
        """
        return max(self._epoch_s.values(), default=0.0)

    def shortest(self, number: int) -> int:
        """Return the fewest epochs that are worth loading a trial for: those that take over twice as long as loading.

        0 where the price is not known well enough, or too small to count.
        """
        price = self.seconds
        if price is None or price < LEAST_S or len(self._measured) < LEAST_MEASURED:
            return 0
        epoch_s = self._epoch_s.get(number) or statistics.median(self._epoch_s.values())
        return math.floor(2 * price / epoch_s) + 1
