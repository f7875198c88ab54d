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
    curves = {index: _signed(trial.curve, better) for index, trial in enumerate(trials) if trial.curve}
    finite = [value for curve in curves.values() for value in curve.values() if math.isfinite(value)]
    if not finite:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    worst = min(finite)
    curves = {index: {e: v if math.isfinite(v) else worst for e, v in curve.items()} for index, curve in curves.items()}
    rows = sorted(_in_order(curves, most, rng))
    trial, epoch, value = zip(*rows, strict=True)
    return np.array(trial, dtype=np.int64), np.array(epoch, dtype=np.int64), np.array(value, dtype=float)


def _in_order(
    curves: Mapping[int, Mapping[int, float]], most: int, rng: np.random.Generator
) -> list[tuple[int, int, float]]:
    chance = rng.random(max(curves) + 1)
    leading = sorted(curves, key=lambda index: (-max(curves[index]), -curves[index][max(curves[index])], index))
    leading = leading[: most // 2]
    others = sorted(curves.keys() - set(leading), key=lambda index: (chance[index], index))
    rows = [(index, epoch, curves[index][epoch]) for index in (*leading, *others) for epoch in [max(curves[index])]]
    for index in (*leading, *others):
        if len(rows) >= most:
            break
        rows += [(index, epoch, curves[index][epoch]) for epoch in _earlier(curves[index])]
    return rows[:most]


def _signed(curve: Mapping[int, float], better: float) -> dict[int, float]:
    return {epoch: better * value for epoch, value in curve.items()}


def _earlier(curve: Mapping[int, float]) -> Iterator[int]:
    """The powers of 2 before the last epoch at which a curve has a value, the latest first."""
    last = max(curve)
    return (epoch for epoch in sorted(curve, reverse=True) if epoch < last and epoch & (epoch - 1) == 0)
