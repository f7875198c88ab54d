"""Are unlabelled images like those that were trained on? Their channels, and the classes that are predicted for them.

Both rules ask for two things: a difference too large for chance, and one large enough to matter, so that neither a
small set nor a very large one warns by itself. docs/decisions.md has the rates at which held-out images warn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

MATTERS = 0.2  # of a training image's deviation: Cohen's small effect; whole held-out sets stay below half of it
SIGMAS = 5.0  # standard errors
HISTOGRAM_MATTERS = 0.5  # Cohen's w for "large"
CHANCE = 1e-4
FEWEST = 5  # images that are expected in a cell, for chi-squared to hold
SHOWN = 3
MOST_IMAGES = 20_000  # of a larger set, as many at equal distances
BLOCK = 1000
SMALLEST = 1e-3  # of a deviation, where all training images are alike
COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Channels:
    """What a set of images looks like: per statistic its mean over the images and its deviation between them.

    By name: "brightness" (an image's mean) and "contrast" (the deviation over its pixels) of each channel and, of
    colour images, "colourfulness" (the range of a pixel's channels, on average). From 0 to 1; `count` images.
    """

    means: Mapping[str, float]
    deviations: Mapping[str, float]
    count: int

    @classmethod
    def of(cls, pixels: np.ndarray, channels: int) -> Channels:
        """The statistics of `pixels` (N, size, size, stored channels) uint8."""
        chosen = pixels[:: -(-len(pixels) // MOST_IMAGES)]
        blocks = [_statistics(chosen[at : at + BLOCK, ..., :channels]) for at in range(0, len(chosen), BLOCK)]
        whole = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        means = {name: float(values.mean()) for name, values in whole.items()}
        return cls(means, {name: float(values.std()) for name, values in whole.items()}, len(chosen))


def channel_warnings(found: Channels, trained: Channels) -> list[str]:
    """One line where images are not like those of training, naming the statistics that differ, the largest first.

    A mean differs that lies more than 0.2 of a training image's deviation from the mean of training, and more than five
    standard errors.
    """
    limit = max(MATTERS, SIGMAS * math.sqrt(1 / found.count + 1 / trained.count))
    shifts = {
        name: abs(found.means[name] - mean) / max(trained.deviations[name], SMALLEST)
        for name, mean in trained.means.items()
    }
    beyond = sorted((name for name, shift in shifts.items() if shift > limit), key=lambda name: -shifts[name])
    if not beyond:
        return []
    told = ", ".join(
        f"{name} {found.means[name]:.3f} instead of {trained.means[name]:.3f} ({shifts[name]:.1f} deviations)"
        for name in beyond
    )
    return [f"the images are not like those of training: {told}; up to {limit:.2f} deviations are usual"]


def class_warnings(labels: np.ndarray, usual: np.ndarray, names: Sequence[str]) -> list[str]:
    """Whether the predicted classes `labels` (N,) have other shares than `usual` (M,), those predicted for images of
    training: what the networks themselves say of these, as a weak classifier prefers some classes anywhere.

    Warns where chi-squared for two samples has p below 0.0001 and Cohen's w, the root of the sum of squared differences
    of shares, each over the usual share, is above 0.5. Rare classes are counted together.
    """
    ours = np.bincount(labels, minlength=len(names)) / len(labels)
    theirs = np.bincount(usual, minlength=len(names)) / len(usual)
    size = len(labels) * len(usual) / (len(labels) + len(usual))
    cells = _cells(theirs * size)
    found, expected = (np.bincount(cells, weights=shares) for shares in (ours, theirs))
    w_squared = float(np.sum((found - expected) ** 2 / expected))
    if w_squared <= HISTOGRAM_MATTERS**2 or special.chdtrc(len(found) - 1, size * w_squared) >= CHANCE:
        return []
    shown = np.argsort(-np.abs(ours - theirs))[:SHOWN]
    told = ", ".join(f"{names[k]} {100 * ours[k]:.1f} % instead of {100 * theirs[k]:.1f} %" for k in shown)
    return [f"the classes predicted have other shares than for images of training: {told} (w = {w_squared**0.5:.2f})"]


def _cells(expected: np.ndarray) -> np.ndarray:
    """The cell (K,) in which each class is counted, so that FEWEST or more are expected in each (Cochran 1954)."""
    order = np.argsort(expected, kind="stable")
    before = np.cumsum(expected[order]) - expected[order]
    last = max(0, int(expected.sum() // FEWEST) - 1)
    cells = np.empty(len(expected), dtype=int)
    cells[order] = np.minimum(before // FEWEST, last)
    return np.unique(cells, return_inverse=True)[1]


def _statistics(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """By name, a figure for each of the images (N, size, size, channels)."""
    values = pixels.astype(np.float32) / 255
    mean, deviation = values.mean(axis=(1, 2)), values.std(axis=(1, 2))
    if values.shape[-1] == 1:
        return {"brightness": mean[:, 0], "contrast": deviation[:, 0]}
    named = {f"brightness of {colour}": mean[:, channel] for channel, colour in enumerate(COLOURS)}
    named |= {f"contrast of {colour}": deviation[:, channel] for channel, colour in enumerate(COLOURS)}
    return named | {"colourfulness": (values.max(axis=-1) - values.min(axis=-1)).mean(axis=(1, 2))}
