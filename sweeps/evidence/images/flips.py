"""The images that a component decides: right in nearly all seeds with it, wrong in nearly all without it, or reverse.

How many would be found if the component did nothing follows from the same runs: an arm and its reference are then
exchangeable within each seed, so that each disagreement of a pair falls either way with equal probability.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sweeps.evidence.images.runs import PairedRuns, SetRuns
from sweeps.trial.arm import Arm

SHARE = 0.8  # of the seeds, in which an image must be right with one arm and wrong with the other
FEWEST_SEEDS = 2


@dataclass(frozen=True)
class FlippedImage:
    """An image that is nearly always right with one arm and nearly always wrong with the other.

    Attributes:
        image: Its index in its part of the data.
        label: Its true class.
        seeds: The seeds in which both arms predicted it.
        reference_right: In how many of them the reference was right.
        arm_right: In how many of them the arm was right.
        reference_class: The class that the reference predicted most often.
        arm_class: The class that the arm predicted most often.
    """

    image: int
    label: int
    seeds: int
    reference_right: int
    arm_right: int
    reference_class: int
    arm_class: int

    @property
    def lost(self) -> bool:
        """Whether it is right with the reference; if not, with the arm."""
        return self.reference_right > self.arm_right


@dataclass(frozen=True)
class Flips:
    """The images that tell an arm from its reference.

    Attributes:
        arm: The arm.
        reference: The arm that it is compared with.
        seeds: The number of pairs of runs.
        compared: The images that at least two pairs predicted.
        images: Those that flip, the most certain first.
        by_chance: How many would be expected to flip, in each direction, if arm and reference were exchangeable.
    """

    arm: Arm
    reference: Arm
    seeds: int
    compared: int
    images: tuple[FlippedImage, ...]
    by_chance: float

    @property
    def lost(self) -> int:
        """The number of images that are right with the reference and wrong with the arm."""
        return sum(one.lost for one in self.images)

    @property
    def gained(self) -> int:
        """The number of images that are wrong with the reference and right with the arm."""
        return len(self.images) - self.lost


def flips(runs: SetRuns) -> tuple[Flips, ...]:
    """Return the images that flip, for each arm with at least two pairs."""
    return tuple(_of_arm(paired) for paired in runs.paired() if len(paired.pairs) >= FEWEST_SEEDS)


def needed(seeds: int) -> int:
    """Return in how many of the seeds an image must be right, and as many wrong: 3 of 3, 4 of 5, 8 of 10."""
    return math.ceil(SHARE * seeds - 1e-9)


def _of_arm(paired: PairedRuns) -> Flips:
    answers = _Answers.of(paired)
    seen, before, after = answers.seen, answers.right(0), answers.right(1)
    seeds = seen.sum(axis=0)
    least = np.array([needed(count) for count in range(len(paired.pairs) + 1)])[seeds]
    comparable = seeds >= FEWEST_SEEDS
    decided = comparable & (before != after) & (np.maximum(before, after) >= least)
    flipped = np.flatnonzero(decided & (np.minimum(before, after) <= seeds - least))
    share = np.abs(before - after)[flipped] / seeds[flipped]
    order = flipped[np.lexsort((flipped, -seeds[flipped], -share))]
    images = tuple(answers.image(int(at), int(before[at]), int(after[at])) for at in order)
    both = (answers.predicted == answers.labels).all(axis=0).sum(axis=0)
    by_chance = _by_chance(seeds[comparable], both[comparable], (before + after - 2 * both)[comparable])
    return Flips(paired.arm, paired.reference, len(paired.pairs), int(comparable.sum()), images, by_chance)


@dataclass(frozen=True)
class _Answers:
    """What an arm and its reference predicted for each of U images in each of n pairs of runs.

    Attributes:
        images: The index of each image, shape (U,).
        labels: Its true class, shape (U,).
        predicted: The predicted class, shape (2, n, U), the reference first; -1 where a pair did not see the image.
    """

    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]

    @classmethod
    def of(cls, paired: PairedRuns) -> _Answers:
        pairs = list(paired.pairs.values())
        images, first = np.unique(np.concatenate([one.images for one, _ in pairs]), return_index=True)
        labels = np.concatenate([one.labels for one, _ in pairs])[first]
        predicted = np.full((2, len(pairs), len(images)), -1, np.int64)
        for number, pair in enumerate(pairs):
            for side, run in enumerate(pair):
                predicted[side, number, np.searchsorted(images, run.images)] = run.predicted
        return cls(images, labels, predicted)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Whether each pair saw each image, shape (n, U)."""
        return np.asarray(self.predicted[0] >= 0)

    def right(self, side: int) -> NDArray[np.int64]:
        """In how many pairs one side was right, shape (U,)."""
        return np.asarray((self.predicted[side] == self.labels).sum(axis=0))

    def image(self, at: int, before: int, after: int) -> FlippedImage:
        most = [Counter(map(int, side[side >= 0])).most_common(1)[0][0] for side in self.predicted[:, :, at]]
        seeds = int(self.seen[:, at].sum())
        return FlippedImage(int(self.images[at]), int(self.labels[at]), seeds, before, after, *most)


def _by_chance(seeds: NDArray[np.int64], both: NDArray[np.int64], apart: NDArray[np.int64]) -> float:
    """Sum, over images, the probability to flip in one direction, were each disagreement to fall either way.

    Args:
        seeds: The pairs that predicted each image, shape (N,).
        both: In how many of them both arms were right.
        apart: In how many of them one alone was right.
    """
    kinds, counts = np.unique(np.stack([seeds, both, apart]), axis=1, return_counts=True)
    return float(sum(n * _chance(*map(int, kind)) for kind, n in zip(kinds.T, counts, strict=True)))


@lru_cache(maxsize=4096)
def _chance(seeds: int, both: int, apart: int) -> float:
    least = needed(seeds)
    # Of the disagreements, x fall to one side and the others to the other side.
    flipping = (x for x in range(apart + 1) if both + x >= least and both + apart - x <= seeds - least)
    return float(sum(math.comb(apart, x) for x in flipping) / 2**apart)
