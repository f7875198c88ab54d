"""Whether predicted probabilities are the frequencies with which predictions are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweeps.artifacts.predictions import ImagePredictions

BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of about equal confidence.

    Attributes:
        confidence: Their mean top-1 probability.
        accuracy: The share of them that is right.
        images: Their number.
    """

    confidence: float
    accuracy: float
    images: int


@dataclass(frozen=True)
class Calibration:
    """How well one run's probabilities are calibrated.

    Attributes:
        ece: The expected calibration error, in percentage points: the mean distance between confidence and accuracy
            over 15 bins of equal numbers of images (Nixon et al. 2019). With few images it is above 0 for a perfectly
            calibrated model too.
        nll: The mean negative log-likelihood of the true class, in nats.
        brier: The mean squared distance between the probabilities and the true class, from 0 to 2; None without logits.
    """

    ece: float
    nll: float
    brier: float | None


def calibration(run: ImagePredictions) -> Calibration | None:
    """Return the calibration of a run; None where it has images without a probability."""
    if not np.isfinite(run.top_probability).all() or np.isnan(run.label_log_probability).any():
        return None
    bins = reliability([run])
    error = sum(one.images * abs(one.confidence - one.accuracy) for one in bins) / max(1, len(run))
    return Calibration(100 * error, -float(run.label_log_probability.astype(np.float64).mean()), _brier(run))


def reliability(runs: Sequence[ImagePredictions], bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """Return bins with equal numbers of predictions of all the runs together, the least confident first."""
    confidence = np.concatenate([run.top_probability for run in runs]).astype(np.float64)
    right = np.concatenate([run.correct for run in runs])
    known = np.isfinite(confidence)
    order = np.argsort(confidence[known], kind="stable")
    parts = (part for part in np.array_split(order, bins) if len(part))
    sorted_by = confidence[known], right[known]
    return tuple(ReliabilityBin(float(sorted_by[0][p].mean()), float(sorted_by[1][p].mean()), len(p)) for p in parts)


def probabilities(run: ImagePredictions) -> NDArray[np.float64] | None:
    """Return the probabilities of the classes, shape (N, K); None without finite logits of every class."""
    if run.logits is None or not np.isfinite(run.logits).all() or run.labels.max(initial=0) >= run.logits.shape[1]:
        return None
    logits = run.logits.astype(np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _brier(run: ImagePredictions) -> float | None:
    shares = probabilities(run)
    if shares is None:
        return None
    true = shares[np.arange(len(run)), run.labels]
    return float(((shares**2).sum(axis=1) - 2 * true + 1).mean())
