"""Holm's step-down adjustment (1979), which bounds the probability of any wrong rejection in a family by the level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sweeps.stats.student import Array


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Return the adjusted p-values of one family, in the same order. Raises ValueError outside of 0 to 1."""
    return tuple(float(value) for value in holm_rows(np.asarray(p, dtype=np.float64)))


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
