"""Detect a shift between unlabelled images and those trained on: in their channels and in the predicted classes.

Both rules require a difference too large for chance and large enough to matter, so that neither a small set nor a very
large one warns by itself. docs/measurements.md has the rates at which held-out images warn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

MIN_SHIFT = 0.2  # of a training image's deviation: Cohen's small effect; whole held-out sets stay below half of it
STANDARD_ERRORS = 5.0
MIN_EFFECT = 0.5  # Cohen's w for "large"
MAX_P = 1e-4
MIN_EXPECTED = 5  # images expected in a cell, for the chi-squared distribution to hold
SHOWN = 3
MOST_IMAGES = 20_000  # of a larger set, this many at equal distances are measured
BLOCK = 1000
MIN_DEVIATION = 1e-3  # in place of a smaller one, where all training images are alike
COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class ChannelStatistics:
    """Statistics of the channels of a set of images.

    The statistics, from 0 to 1, are "brightness" (an image's mean) and "contrast" (the standard deviation over its
    pixels) of each channel and, for colour images, "colourfulness" (the range of a pixel's channels, averaged over the
    image).

    Attributes:
        means: Each statistic's mean over the images, by name.
        deviations: Each statistic's standard deviation over the images, by name.
        count: Number of images measured.
    """

    means: Mapping[str, float]
    deviations: Mapping[str, float]
    count: int

    @classmethod
    def of(cls, pixels: np.ndarray, channels: int) -> ChannelStatistics:
        """Measure images.

        Args:
            pixels: (N, size, size, stored channels) uint8. Of more than 20,000, that many at most are measured.
            channels: Number of channels; a padding byte after them is left out.
        """
        pixels = pixels[:: -(-len(pixels) // MOST_IMAGES)]
        # Block by block: as float32 the whole set would take four times its size.
        blocks = [_statistics(pixels[start : start + BLOCK, ..., :channels]) for start in range(0, len(pixels), BLOCK)]
        whole = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        means = {name: float(values.mean()) for name, values in whole.items()}
        return cls(means, {name: float(values.std()) for name, values in whole.items()}, len(pixels))


def channel_warnings(unlabelled: ChannelStatistics, trained: ChannelStatistics) -> list[str]:
    """Return a warning where unlabelled images differ from those of training; else an empty list.

    A statistic differs if its mean lies more than 0.2 of a training image's deviation from the mean of training, and
    more than five standard errors. The warning names those that differ, the largest difference first.
    """
    limit = max(MIN_SHIFT, STANDARD_ERRORS * math.sqrt(1 / unlabelled.count + 1 / trained.count))
    shifts = {
        name: abs(unlabelled.means[name] - mean) / max(trained.deviations[name], MIN_DEVIATION)
        for name, mean in trained.means.items()
    }
    beyond = sorted((name for name, shift in shifts.items() if shift > limit), key=lambda name: -shifts[name])
    if not beyond:
        return []
    differences = ", ".join(
        f"{name} {unlabelled.means[name]:.3f} instead of {trained.means[name]:.3f} ({shifts[name]:.1f} deviations)"
        for name in beyond
    )
    return [f"the images are not like those of training: {differences}; up to {limit:.2f} deviations are usual"]


def class_warnings(labels: np.ndarray, usual: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return a warning where the predicted classes have other shares than for images of training; else an empty list.

    It warns if the chi-squared test for two samples has p below 0.0001 and Cohen's w, the root of the sum of squared
    differences of shares, each over the usual share, is above 0.5. Rare classes are counted together.

    Args:
        labels: (N,) classes predicted for the unlabelled images.
        usual: (M,) classes predicted for images of training: predictions, not labels, since a weak classifier prefers
            some classes anywhere.
        names: (K,) names of the classes.
    """
    shares = np.bincount(labels, minlength=len(names)) / len(labels)
    usual_shares = np.bincount(usual, minlength=len(names)) / len(usual)
    size = len(labels) * len(usual) / (len(labels) + len(usual))
    cells = _cells(usual_shares * size)
    observed, expected = (np.bincount(cells, weights=weights) for weights in (shares, usual_shares))
    w_squared = float(np.sum((observed - expected) ** 2 / expected))
    if w_squared <= MIN_EFFECT**2 or special.chdtrc(len(observed) - 1, size * w_squared) >= MAX_P:
        return []
    largest = np.argsort(-np.abs(shares - usual_shares))[:SHOWN]
    differences = ", ".join(
        f"{names[k]} {100 * shares[k]:.1f} % instead of {100 * usual_shares[k]:.1f} %" for k in largest
    )
    return [
        f"the classes predicted have other shares than for images of training: {differences} (w = {w_squared**0.5:.2f})"
    ]


def _cells(expected: np.ndarray) -> np.ndarray:
    """Return the cell (K,) in which each class is counted.

    Rare classes share a cell, so that at least MIN_EXPECTED images are expected in each (Cochran 1954).
    """
    order = np.argsort(expected, kind="stable")
    before = np.cumsum(expected[order]) - expected[order]
    last = max(0, int(expected.sum() // MIN_EXPECTED) - 1)
    cells = np.empty(len(expected), dtype=int)
    cells[order] = np.minimum(before // MIN_EXPECTED, last)
    return np.unique(cells, return_inverse=True)[1]


def _statistics(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the statistics of each image (N,), by name, of images (N, size, size, channels) uint8."""
    values = pixels.astype(np.float32) / 255
    mean, deviation = values.mean(axis=(1, 2)), values.std(axis=(1, 2))
    if values.shape[-1] == 1:
        return {"brightness": mean[:, 0], "contrast": deviation[:, 0]}
    statistics = {f"brightness of {colour}": mean[:, channel] for channel, colour in enumerate(COLOURS)}
    statistics |= {f"contrast of {colour}": deviation[:, channel] for channel, colour in enumerate(COLOURS)}
    return statistics | {"colourfulness": (values.max(axis=-1) - values.min(axis=-1)).mean(axis=(1, 2))}
