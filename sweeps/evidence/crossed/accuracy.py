"""The accuracy of an arm on a labelled set with its two errors: that of the seeds, and that of the finite set."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from enum import StrEnum

from sweeps.evidence.crossed.correct import Correct
from sweeps.evidence.level import Level
from sweeps.stats import CrossedAccuracy, Estimate, approximate_accuracy, crossed_accuracy
from sweeps.trial.arm import Arm


class Basis(StrEnum):
    """What the interval for accuracy on such images rests on."""

    CROSSED = "seeds and images"
    APPROXIMATE = "accuracies and the number of images"
    IMAGES = "images alone: one seed"
    SEEDS = "seeds alone: the images' error is not known"


@dataclass(frozen=True)
class SetAccuracy:
    """The accuracy of an arm on a labelled set, in percent.

    Attributes:
        arm: The arm.
        n: The number of seeds.
        images: The number of images; None if unknown.
        mean: The mean over the seeds on these images.
        sd: The standard deviation over the seeds; None for one seed.
        seeds: The mean with the 95 % interval over seeds on these very images; None where there is none.
        such: The 95 % interval for accuracy on such images, over fresh seeds and fresh images; None if the number of
            images is unknown or the metric is no share of right images.
        seed_share: The share of the variance behind `such` that rests on n seeds alone, from 0 to 1.
        basis: What `such` rests on.
    """

    arm: Arm
    n: int
    images: int | None
    mean: float
    sd: float | None
    seeds: Estimate | None
    such: tuple[float, float] | None
    seed_share: float | None
    basis: Basis


def set_accuracy(level: Level, correct: Correct | None, images: int | None) -> SetAccuracy | None:
    """Return the accuracy of an arm on a labelled set; None for an arm without a value.

    Args:
        level: The arm over its seeds, in percent.
        correct: Which images its runs had right, if all of them tell it.
        images: The number of images, if it is known.
    """
    values = list(level.values.values())
    if not values:
        return None
    found = _crossed(values, correct, images)
    basis = Basis.SEEDS
    if found is not None:
        basis = Basis.IMAGES if len(values) == 1 else Basis.CROSSED if correct is not None else Basis.APPROXIMATE
    return SetAccuracy(
        arm=level.arm,
        n=len(values),
        images=found.images if found else None,
        mean=sum(values) / len(values),
        sd=statistics.stdev(values) if len(values) > 1 else None,
        seeds=level.mean,
        such=(100 * found.low, 100 * found.high) if found else None,
        seed_share=found.seed_share if found else None,
        basis=basis,
    )


def _crossed(values: list[float], correct: Correct | None, images: int | None) -> CrossedAccuracy | None:
    if correct is not None:
        return crossed_accuracy(correct.table)
    if images is None or not all(0 <= value <= 100 for value in values):
        return None
    return approximate_accuracy([value / 100 for value in values], images)
