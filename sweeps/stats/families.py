"""Holm's step-down adjustment (1979), which bounds the probability of any wrong rejection in a family by the level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sweeps.stats.alpha import ALPHA
from sweeps.stats.student import Array


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Return the adjusted p-values of one family, in the same order. Raises ValueError outside of 0 to 1."""
    return tuple(float(value) for value in holm_rows(np.asarray(p, dtype=np.float64)))


def holm_steps(p: Sequence[float], level: float = ALPHA) -> tuple[int, ...]:
    """Return over how many hypotheses the step corrects in which Holm's procedure decides on each p, in the same order.

    The k-th smallest of m p-values is compared with level / (m - k + 1), as long as every one before it was rejected.
    All others are decided by the step at which the procedure stops. So each p is rejected exactly if it is below
    `level` over the number returned for it.
    """
    adjusted, m = holm(p), len(p)
    rejected = sum(value < level for value in adjusted)
    order = np.argsort(np.asarray(p), kind="stable")
    steps = [0] * m
    for place, index in enumerate(order):
        steps[index] = m - min(place, rejected)
    return tuple(steps)


def holm_rows(p: Array) -> Array:
    """Adjust many families at once: `p` has the shape (..., m), and each row of the last axis is a family.

    Raises ValueError outside of 0 to 1.
    """
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("a p-value lies between 0 and 1")
    order = np.argsort(p, axis=-1, kind="stable")
    steps = np.arange(p.shape[-1], 0, -1)
    # Times m, m - 1, … in ascending order of p; the running maximum keeps the order of the p-values.
    stepped = np.maximum.accumulate(np.take_along_axis(p, order, axis=-1) * steps, axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), axis=-1)
    return adjusted
