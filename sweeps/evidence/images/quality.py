"""What the runs of one arm show together: agreement between seeds, calibration, and their ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sweeps.artifacts.predictions import ImagePredictions
from sweeps.evidence.images.calibration import Calibration, ReliabilityBin, calibration, probabilities, reliability
from sweeps.evidence.images.runs import ArmRuns
from sweeps.trial.arm import Arm


@dataclass(frozen=True)
class Churn:
    """How often two seeds predict different classes for an image, in percent, over all pairs of seeds.

    Attributes:
        percent: The mean over the pairs.
        pairs: The number of pairs of runs that share images.
        images: The images that a pair shares, on average.
    """

    percent: float
    pairs: int
    images: float


@dataclass(frozen=True)
class Ensemble:
    """The mean of the seeds' probabilities, as one classifier.

    Attributes:
        models: The number of models.
        accuracy: Its accuracy in percent.
        single: The mean accuracy of the models alone, in percent.
        images: The number of images.
    """

    models: int
    accuracy: float
    single: float
    images: int


@dataclass(frozen=True)
class Quality:
    """The predictions of one arm's runs for one set.

    Attributes:
        arm: The arm.
        runs: The number of runs with predictions.
        churn: The disagreement between seeds; None where no two runs share images.
        calibrations: The calibration of each run, without those that gave no number for an image.
        reliability: Accuracy by confidence, over all the runs.
        ensemble: None without logits of two runs for the same images.
    """

    arm: Arm
    runs: int
    churn: Churn | None
    calibrations: tuple[Calibration, ...]
    reliability: tuple[ReliabilityBin, ...]
    ensemble: Ensemble | None


def quality(arm: ArmRuns) -> Quality:
    """Return the agreement, the calibration and the ensemble of an arm's runs."""
    runs = list(arm.runs.values())
    return Quality(
        arm=arm.arm,
        runs=len(runs),
        churn=_churn(runs),
        calibrations=tuple(one for one in map(calibration, runs) if one is not None),
        reliability=reliability(runs),
        ensemble=_ensemble(runs),
    )


def _churn(runs: Sequence[ImagePredictions]) -> Churn | None:
    compared = [both for one, other in combinations(runs, 2) if (both := _disagreement(one, other))[1]]
    if not compared:
        return None
    shares = [different / images for different, images in compared]
    return Churn(100 * float(np.mean(shares)), len(compared), float(np.mean([images for _, images in compared])))


def _disagreement(one: ImagePredictions, other: ImagePredictions) -> tuple[int, int]:
    """The number of images for which two runs predict different classes, and of those that both have."""
    if np.array_equal(one.images, other.images):
        return int((one.predicted != other.predicted).sum()), len(one)
    images, here, there = np.intersect1d(one.images, other.images, return_indices=True)
    return int((one.predicted[here] != other.predicted[there]).sum()), len(images)


def _ensemble(runs: Sequence[ImagePredictions]) -> Ensemble | None:
    """Average the models in turn, so that the probabilities of two are in memory at a time."""
    total, members = None, list[ImagePredictions]()
    for run in runs:
        if members and not np.array_equal(run.images, members[0].images):
            continue
        shares = probabilities(run)
        if shares is not None and (total is None or total.shape == shares.shape):
            total = shares if total is None else total + shares
            members.append(run)
    if total is None or len(members) < 2:
        return None
    right = total.argmax(axis=1) == members[0].labels
    single = float(np.mean([run.accuracy for run in members]))
    return Ensemble(len(members), 100 * float(right.mean()), single, len(right))
