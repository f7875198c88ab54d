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


def class_warnings(labels: np.ndarray, trained: np.ndarray, names: Sequence[str]) -> list[str]:
    """Whether the predicted classes `labels` (N,) have other shares than those of training, `trained` (M,) labels.

    Warns where chi-squared has p below 0.0001 and Cohen's w, the root of the mean squared relative difference weighted
    by the shares of training, is above 0.5: a classifier's own preferences on held-out images stay below.
    """
    counts = np.bincount(labels, minlength=len(names)).astype(float)
    shares = np.bincount(trained, minlength=len(names)) / len(trained)
    known = shares > 0
    predicted = counts[known] / len(labels)
    w_squared = float(np.sum((predicted - shares[known]) ** 2 / shares[known]))
    p = special.chdtrc(max(1, known.sum() - 1), len(labels) * w_squared)
    if w_squared <= HISTOGRAM_MATTERS**2 or p >= CHANCE:
        return []
    shown = np.argsort(-np.abs(counts / len(labels) - shares))[:3]
    percent = 100 * counts / len(labels)
    told = ", ".join(f"{names[k]} {percent[k]:.1f} % instead of {100 * shares[k]:.1f} %" for k in shown)
    return [f"the predicted classes have other shares than those of training: {told} (w = {np.sqrt(w_squared):.2f})"]


def _statistics(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """By name, a figure for each of the images (N, size, size, channels)."""
    values = pixels.astype(np.float32) / 255
    mean, deviation = values.mean(axis=(1, 2)), values.std(axis=(1, 2))
    if values.shape[-1] == 1:
        return {"brightness": mean[:, 0], "contrast": deviation[:, 0]}
    named = {f"brightness of {colour}": mean[:, channel] for channel, colour in enumerate(COLOURS)}
    named |= {f"contrast of {colour}": deviation[:, channel] for channel, colour in enumerate(COLOURS)}
    return named | {"colourfulness": (values.max(axis=-1) - values.min(axis=-1)).mean(axis=(1, 2))}
