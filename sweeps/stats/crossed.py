"""Figures of runs that were all measured on the same images: seeds and images are both random, and crossed.

A value y of seed i on image j is taken as mean + a_i + b_j + e_ij with independent effects of the seeds, of the images
and of each seed on each image. The variance of the mean over n seeds and N images is

    var(a) / n  +  var(b) / N  +  var(e) / (n N)

and its parts are estimated from the mean squares of a two-way table with one value per cell. The first part rests on n
values however many the images are, which is why the intervals here do not become those of a normal distribution.
docs/evidence.md explains the choice, and `benchmarks/crossed.py` simulates what the intervals cover.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from sweeps.stats.alpha import ALPHA

LEAST_SEEDS = 3  # of a difference that is tested: with two the coverage falls below 94 %
LEAST_DIFFERING = 10  # images on which two arms differ, below which a difference is not tested
_HALVINGS = 100  # of the range in which a p-value is searched


@dataclass(frozen=True)
class Parts:
    """The mean of a table of seeds and images, and the parts of its variance.

    Attributes:
        n: The number of seeds.
        images: The number of images, N.
        mean: The mean of all values.
        between_seeds: The variance of the seeds' means, with the divisor n - 1; 0 for one seed.
        between_images: The variance of the images' means, with the divisor N - 1.
        residual: The mean square of what seeds and images leave, var(e); 0 for one seed.
        deviating: The number of images whose mean is not the commonest one, such as those that are not always right.
    """

    n: int
    images: int
    mean: float
    between_seeds: float
    between_images: float
    residual: float
    deviating: int

    @property
    def seeds_alone(self) -> float:
        """The seeds' part of the variance of the mean when the images are fixed: var(a) / n + var(e) / (n N)."""
        return self.between_seeds / self.n

    @property
    def images_alone(self) -> float:
        """The images' part, with what each seed makes of each image: var(b) / N + var(e) / (n N)."""
        return self.between_images / self.images

    @property
    def variance(self) -> float:
        """The variance of the mean over fresh seeds and fresh images, at least `images_alone`."""
        return self.images_alone + max(0.0, self.seeds_alone - self.residual / (self.n * self.images))

    @property
    def seed_share(self) -> float:
        """The share of the variance that rests on n seeds alone, from 0 to 1."""
        return min(1.0, self.seeds_alone / self.variance) if self.variance > 0 else 0.0

    @property
    def seed_effect(self) -> float:
        """The estimate of var(a): by how much seeds differ beyond what independent images would make."""
        return max(0.0, self.between_seeds - self.residual / self.images)

    @property
    def image_effect(self) -> float:
        """The estimate of var(b): by how much images differ beyond what single seeds make of them."""
        return max(0.0, self.between_images - self.residual / self.n)

    def half_width(self, level: float = ALPHA) -> float:
        """Return half the width of the interval of the mean that misses it with a probability of `level`.

        The critical value is the mean of those of Student's t for the seeds (n - 1 degrees of freedom) and for the
        images, weighted by the two parts of the variance (Cochran and Cox). Satterthwaite's single t would be narrower,
        but covers 92 % at n = 3. For the images there are as many degrees of freedom as images deviate, because nearly
        constant ones tell nothing of a variance; with one seed the critical value is the normal one.
        """
        return self.critical(level) * math.sqrt(self.variance)

    def critical(self, level: float) -> float:
        """Return the half-width over the standard error of the mean."""
        normal = -float(special.ndtri(level / 2))
        if self.n == 1:
            return normal
        seeds = -float(special.stdtrit(self.n - 1, level / 2))
        images = -float(special.stdtrit(self.deviating, level / 2)) if self.deviating else normal
        return self.seed_share * seeds + (1 - self.seed_share) * images


@dataclass(frozen=True)
class CrossedAccuracy:
    """The accuracy of a recipe over seeds and images such as these, as a share from 0 to 1.

    Attributes:
        n: The number of seeds.
        images: The number of images.
        mean: The accuracy on these images.
        low: The lower end of the 95 % interval for fresh seeds and fresh images.
        high: Its upper end.
        seed_share: The share of the variance that rests on n seeds alone, from 0 to 1; 0 for one seed, whose interval
            contains the images' error alone.
    """

    n: int
    images: int
    mean: float
    low: float
    high: float
    seed_share: float


@dataclass(frozen=True)
class CrossedDifference:
    """The difference of two arms over seeds and images such as these, arm minus reference, from -1 to 1.

    Attributes:
        n: The number of pairs of runs.
        images: The number of images.
        differing: The number of images on which any pair of runs differs.
        mean: The mean difference.
        low: The lower end of its 95 % interval for fresh seeds and fresh images.
        high: Its upper end.
        p: Two-sided: the largest level at which the interval includes 0.
        seed_share: The share of the variance that rests on n seeds alone, from 0 to 1.
    """

    n: int
    images: int
    differing: int
    mean: float
    low: float
    high: float
    p: float
    seed_share: float


def parts(values: ArrayLike) -> Parts:
    """Return the mean of a table and the parts of its variance.

    Args:
        values: Shape (n seeds, N images).

    Raises:
        ValueError: The shape is another, or there are fewer than two images.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2:
        raise ValueError(f"a table needs one row per seed and two images at least but has the shape {table.shape}")
    n, images = table.shape
    by_seed, by_image, mean = table.mean(axis=1), table.mean(axis=0), float(table.mean())
    seeds = float(by_seed.var(ddof=1)) if n > 1 else 0.0
    residual = 0.0
    if n > 1:
        left = table - by_seed[:, None] - by_image[None, :] + mean
        residual = float((left**2).sum()) / ((n - 1) * (images - 1))
    return Parts(n, images, mean, seeds, float(by_image.var(ddof=1)), residual, _deviating(table))


def crossed_accuracy(correct: NDArray[np.bool_]) -> CrossedAccuracy:
    """Return the accuracy over seeds and images, with its interval.

    The interval is Wilson's with the variance of `Parts`: it stays within 0 and 1, and has a width where all images are
    right. With one seed it is Wilson's for N images.

    Args:
        correct: Whether each run was right on each image, shape (n seeds, N images).

    Raises:
        ValueError: As `parts`.
    """
    table = parts(correct)
    if table.n == 1:  # the variance of a share, with the divisor N, as Wilson's interval has it
        return _accuracy(table, table.mean * (1 - table.mean) / table.images)
    return _accuracy(table, table.variance)


def approximate_accuracy(accuracies: Sequence[float], images: int) -> CrossedAccuracy:
    """Return the same from the accuracies of the runs alone, where it is not known which images each run had right.

    All runs are taken to be wrong on the same images. Where they are not, the interval is wider than need be.

    Args:
        accuracies: The accuracy of each run, from 0 to 1.
        images: The number of images, at least 2.

    Raises:
        ValueError: There is no run, an accuracy is outside 0 to 1, or there are too few images.
    """
    shares = np.asarray(accuracies, dtype=np.float64)
    if not len(shares) or not ((shares >= 0) & (shares <= 1)).all() or images < 2:
        raise ValueError(f"accuracies from 0 to 1 on two images at least are needed but got {shares} on {images}")
    n, mean = len(shares), float(shares.mean())
    seeds = float(shares.var(ddof=1)) if n > 1 else 0.0
    deviating = max(1, round(min(mean, 1 - mean) * images)) if 0 < mean < 1 else 0
    table = Parts(n, images, mean, seeds, mean * (1 - mean), 0.0, deviating)
    return _accuracy(table, table.variance)


def crossed_difference(differences: ArrayLike) -> CrossedDifference | None:
    """Test the mean difference of two arms over seeds and images.

    Args:
        differences: Whether each run of the arm was right on each image minus the same of its reference with the same
            seed: -1, 0 or 1, shape (n seeds, N images).

    Returns:
        The difference; None below `LEAST_SEEDS` seeds or `LEAST_DIFFERING` images on which the arms differ, where the
        interval does not cover what it promises.

    Raises:
        ValueError: As `parts`.
    """
    table = parts(differences)
    differing = int((np.asarray(differences) != 0).any(axis=0).sum())
    if table.n < LEAST_SEEDS or differing < LEAST_DIFFERING:
        return None
    half = table.half_width()
    ends = max(-1.0, table.mean - half), min(1.0, table.mean + half)
    return CrossedDifference(table.n, table.images, differing, table.mean, *ends, _p(table), table.seed_share)


def _accuracy(table: Parts, variance: float) -> CrossedAccuracy:
    """Wilson's interval with the variance of the mean in place of p(1 - p)/N."""
    mean, spread = table.mean, table.mean * (1 - table.mean)
    critical = table.critical(ALPHA)
    width = critical**2 * (variance / spread if variance > 0 and spread > 0 else 1 / table.images)
    center = (mean + width / 2) / (1 + width)
    half = math.sqrt(spread * width + width**2 / 4) / (1 + width)
    low, high = max(0.0, min(mean, center - half)), min(1.0, max(mean, center + half))
    return CrossedAccuracy(table.n, table.images, mean, low, high, table.seed_share)


def _p(table: Parts) -> float:
    """Return the level at which the interval's end is 0, between 1e-300 and 1."""
    low, high = -300.0, 0.0  # the logarithms of levels of a wide interval and of one without width
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if table.half_width(10.0**middle) >= abs(table.mean):
            low = middle
        else:
            high = middle
    return float(10.0**low)


def _deviating(table: NDArray[np.float64]) -> int:
    """Return how many columns have another sum than the commonest one."""
    _, counts = np.unique(np.round(table.sum(axis=0), 6), return_counts=True)
    return int(table.shape[1] - counts.max())
