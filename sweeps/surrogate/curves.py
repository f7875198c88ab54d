"""Which values of the curves the process is fitted to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sweeps.surrogate.axes import Floats
from sweeps.surrogate.observed import Observed
from sweeps.surrogate.process import Integers


def progress_of(epoch: int, epochs: int) -> float:
    """Return the progress of training at an epoch: its logarithm, 0 at epoch 1 and 1 at the last and beyond."""
    return min(1.0, math.log(max(1, epoch)) / math.log(epochs)) if epochs > 1 else 1.0


def observations(
    trials: Sequence[Observed], better: float, most: int, rng: np.random.Generator
) -> tuple[Integers, Integers, Floats]:
    """Choose the values of the curves that the process is fitted to.

    Of each curve, these are the last value and those at the powers of 2. Where they are more than `most`, the last
    values come first: those of the half that is furthest trained and best there, then those of the others in random
    order; then the earlier values in that same order.

    Args:
        trials: The trials.
        better: The factor that makes a larger value the better one.
        most: The largest number of values.
        rng: Puts the trials in order. Give it the same seed at each proposal, so that the choice changes little.

    Returns:
        For each value, the index of its trial, its epoch, and the value, larger is better; values that are not finite
        are as bad as the worst. Ascending by trial and epoch.
    """
    told = [index for index, trial in enumerate(trials) if trial.curve]
    rows = sorted(_chosen(trials, told, better, most, rng))
    trial, epoch, value = np.array(rows, dtype=float).reshape(-1, 3).T
    finite = np.isfinite(value)
    if not finite.any():
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    return trial.astype(np.int64), epoch.astype(np.int64), np.where(finite, value, value[finite].min())


def _chosen(
    trials: Sequence[Observed], told: Sequence[int], better: float, most: int, rng: np.random.Generator
) -> list[tuple[int, int, float]]:
    """The trial, epoch and value of each observation, -inf for a value that is not finite."""

    def row(index: int, epoch: int) -> tuple[int, int, float]:
        value = better * trials[index].curve[epoch]
        return index, epoch, value if math.isfinite(value) else -math.inf

    chance = rng.random(len(trials))
    last = {index: row(index, max(trials[index].curve)) for index in told}
    leading = sorted(told, key=lambda index: (-last[index][1], -last[index][2], index))
    order = leading[: most // 2] + sorted(leading[most // 2 :], key=lambda index: chance[index])
    rows = [last[index] for index in order]
    for index in order:
        if len(rows) >= most:
            break
        rows += [row(index, epoch) for epoch in _earlier(trials[index].curve)]
    return rows[:most]


def _earlier(curve: Mapping[int, float]) -> Iterator[int]:
    """The powers of 2 before the last epoch at which a curve has a value, the latest first."""
    last = max(curve)
    return (epoch for epoch in sorted(curve, reverse=True) if epoch < last and epoch & (epoch - 1) == 0)
