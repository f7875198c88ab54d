"""How much an arm changes the accuracy of each class: paired by seed, corrected over classes and arms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sweeps.artifacts.predictions import ImagePredictions
from sweeps.evidence.images.runs import PairedRuns, SetRuns
from sweeps.stats import Estimate, holm, location
from sweeps.trial.arm import Arm

FEWEST_PAIRS = 3  # two differences of means say nothing of their variance


@dataclass(frozen=True)
class ClassDifference:
    """The accuracy of one class in an arm and in its reference, in percent.

    Attributes:
        arm: The arm.
        reference: The arm that it is compared with.
        label: The index of the class.
        name: Its name.
        images: The images of the class in one run, on average.
        reference_mean: The mean accuracy of the reference.
        arm_mean: The mean accuracy of the arm.
        difference: The mean difference, arm minus reference, with its 95 % paired t interval.
        p: The p of the paired t test.
        p_holm: The p adjusted (Holm) over all classes of all arms on this set.
    """

    arm: Arm
    reference: Arm
    label: int
    name: str
    images: float
    reference_mean: float
    arm_mean: float
    difference: Estimate
    p: float
    p_holm: float


def class_differences(runs: SetRuns) -> tuple[ClassDifference, ...]:
    """Return the differences of every class and arm with enough pairs, corrected as one family."""
    found = [one for paired in runs.paired() for one in _of_arm(paired, runs)]
    adjusted = holm([one.p for one in found])
    return tuple(replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True))


def _of_arm(paired: PairedRuns, runs: SetRuns) -> list[ClassDifference]:
    pairs = list(paired.pairs.values())
    labels = np.unique(np.concatenate([reference.labels for reference, _ in pairs]))
    counts = np.array([_counts(reference.labels, labels) for reference, _ in pairs])
    before, after = (np.array([_accuracies(pair[side], labels) for pair in pairs]) for side in (0, 1))
    rows = []
    for place, label in enumerate(map(int, labels)):
        present = counts[:, place] > 0
        if present.sum() >= FEWEST_PAIRS:
            images = float(counts[present, place].mean())
            ends = before[present, place], after[present, place]
            # One image of the class is the least standard deviation that is believed.
            tested = location(ends[1] - ends[0], floor=100 / images)
            means = float(ends[0].mean()), float(ends[1].mean())
            name = runs.class_name(label)
            figures = images, *means, tested.estimate, tested.p, tested.p
            rows.append(ClassDifference(paired.arm, paired.reference, label, name, *figures))
    return rows


def _accuracies(run: ImagePredictions, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The accuracy of each class in percent, shape (K,); NaN for a class without images."""
    images, correct = _counts(run.labels, labels), _counts(run.labels[run.correct], labels)
    return np.asarray(np.divide(100.0 * correct, images, out=np.full(len(labels), np.nan), where=images > 0))


def _counts(values: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each of the sorted `labels` is among `values`, shape (K,)."""
    return np.bincount(np.searchsorted(labels, values), minlength=len(labels))
