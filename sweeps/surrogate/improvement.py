"""The expected improvement of a normal value over a threshold."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erfcx, ndtr

from sweeps.surrogate.axes import Floats

_FAR = -1e3  # where the closed form has lost its digits to cancellation


def log_expected_improvement(mean: Floats, deviation: Floats, threshold: float) -> Floats:
    """Return log E[max(0, value - threshold)], exact also where the improvement is all but impossible."""
    z = (mean - threshold) / deviation
    with np.errstate(all="ignore"):  # each form is computed everywhere and used where it holds
        near = np.log(z * ndtr(z) + np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi))
        ratio = math.sqrt(math.pi / 2) * np.abs(z) * erfcx(np.abs(z) / math.sqrt(2))
        tail = np.where(z > _FAR, np.log1p(-ratio), -2.0 * np.log(np.abs(z)))
        below = -0.5 * z**2 - 0.5 * math.log(2 * math.pi) + tail
    return np.asarray(np.log(deviation) + np.where(z > -1.0, near, below))
