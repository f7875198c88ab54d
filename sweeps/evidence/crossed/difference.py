"""The difference of two arms on a labelled set over seeds and such images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.evidence.comparison import Comparison
from sweeps.evidence.crossed.correct import Correct
from sweeps.stats import CrossedDifference, crossed_difference, holm
from sweeps.trial.arm import Arm


@dataclass(frozen=True)
class SetDifference:
    """An arm against its reference over fresh seeds and fresh images, arm minus reference, in percentage points.

    Attributes:
        arm: The arm.
        reference: The arm that it is compared with.
        n: The number of pairs of runs.
        images: The number of images.
        differing: The number of images on which any pair of runs differs.
        mean: The mean difference.
        low: The lower end of its 95 % interval.
        high: Its upper end.
        p: Two-sided.
        p_holm: The same, adjusted over the comparisons of the set (Holm).
        seed_share: The share of the variance that rests on n seeds alone, from 0 to 1.
    """

    arm: Arm
    reference: Arm
    n: int
    images: int
    differing: int
    mean: float
    low: float
    high: float
    p: float
    p_holm: float
    seed_share: float


def set_differences(comparisons: Sequence[Comparison], correct: Mapping[str, Correct]) -> tuple[SetDifference, ...]:
    """Return the differences for which seeds and images are enough, as one family.

    Args:
        comparisons: The comparisons of a labelled set.
        correct: Which images the runs of each arm had right, by arm. A comparison with an arm that is not among them is
            left out: one of its runs has diverged, or kept no predictions.
    """
    found = [(one, tested) for one in comparisons if (tested := _test(one, correct)) is not None]
    adjusted = holm([tested.p for _, tested in found])
    return tuple(_difference(one, tested, p) for (one, tested), p in zip(found, adjusted, strict=True))


def _test(one: Comparison, correct: Mapping[str, Correct]) -> CrossedDifference | None:
    arm, reference = correct.get(one.arm.name), correct.get(one.reference.name)
    if arm is None or reference is None or not one.pairs or not np.array_equal(arm.images, reference.images):
        return None
    rows = [
        arm.by_replicate[pair.replicate].astype(np.int8) - reference.by_replicate[pair.replicate].astype(np.int8)
        for pair in one.pairs
    ]
    return crossed_difference(np.stack(rows))


def _difference(one: Comparison, tested: CrossedDifference, p_holm: float) -> SetDifference:
    return SetDifference(
        arm=one.arm,
        reference=one.reference,
        n=tested.n,
        images=tested.images,
        differing=tested.differing,
        mean=100 * tested.mean,
        low=100 * tested.low,
        high=100 * tested.high,
        p=tested.p,
        p_holm=p_holm,
        seed_share=tested.seed_share,
    )
