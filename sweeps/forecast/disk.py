"""Forecast the disk space of trials that pause: each waits with one checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweeps.artifacts.checkpoint import KEEP
from sweeps.forecast.search import Ladder
from sweeps.runners.probe import Probe

BYTES_PER_PARAMETER = 12
"""The weight and two moments of an optimizer in 32 bits, where no checkpoint was measured."""


@dataclass(frozen=True)
class DiskForecast:
    """The peak of the checkpoints of a search.

    Attributes:
        checkpoints: How many there are at the peak: one of each trial that waits, two of each that trains.
        checkpoint_bytes: The size of the baseline's; None if it is not known.
        measured: Whether the probe has saved one. Else it is estimated from the parameters.
        peak_bytes: The size of all.
    """

    checkpoints: int
    checkpoint_bytes: int | None
    measured: bool
    peak_bytes: int | None


def forecast_disk(ladder: Ladder, at_once: int, cost: Mapping[str, int], probed: Probe | None) -> DiskForecast:
    """Forecast the disk space of a search.

    Args:
        ladder: Where its trials pause.
        at_once: How many trials train at once.
        cost: The workload's counts of the baseline.
        probed: The probe of the baseline; None if there was none.
    """
    checkpoints = ladder.paused + KEEP * at_once
    measured = probed is not None and probed.checkpoint_bytes is not None
    size = probed.checkpoint_bytes if probed is not None and measured else _estimate(cost)
    return DiskForecast(checkpoints, size, measured, None if size is None else checkpoints * size)


def _estimate(cost: Mapping[str, int]) -> int | None:
    parameters = cost.get("parameters")
    return None if not parameters else parameters * BYTES_PER_PARAMETER
