"""How often `sweep predict` warns of a shift, on held-out images (false alarms) and on changed images.

    python -m benchmarks.shift [--data-dir DATA] [--draws 200] [--out benchmarks/results/shift]

Half of the images train a logistic regression on pixels, a weak classifier with biased predictions. Random sets of the
other half are unchanged, a tenth darker, in grey, or without half of the classes. The result is the share of sets for
which each of the two rules warns. Data: digits, and CIFAR-10 if --data-dir has it.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from benchmarks.common import write_result
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.formats import Images
from cifar_sweep.inference.shift import ChannelStatistics, channel_warnings, class_warnings
from cifar_sweep.recipe.data import DataRecipe
from sweeps.io.errors import Unavailable

SIZES = (30, 100, 300, 700)
Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def darker(pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the images a tenth darker."""
    return (pixels * 0.9).astype(np.uint8), labels


def grey(pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the images in shades of grey."""
    return np.repeat(pixels.mean(axis=-1, keepdims=True), pixels.shape[-1], axis=-1).astype(np.uint8), labels


def half_of_the_classes(pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of the even classes."""
    return pixels[labels % 2 == 0], labels[labels % 2 == 0]


CHANGES: dict[str, Change] = {
    "held out": lambda pixels, labels: (pixels, labels),
    "a tenth darker": darker,
    "in grey": grey,
    "half of the classes": half_of_the_classes,
}


def rates(name: str, images: Images, channels: int, draws: int) -> Iterator[dict[str, Any]]:
    """Yield, for each change and size, the percentage of `draws` sets for which each rule warns."""
    generator = np.random.default_rng(0)
    order = generator.permutation(len(images))
    pixels, labels = np.asarray(images.pixels)[order][..., :channels], images.labels[order]
    half = len(pixels) // 2
    classifier = LogisticRegression(max_iter=30).fit(_flat(pixels[:half]), labels[:half])
    trained, usual = ChannelStatistics.of(pixels[:half], channels), classifier.predict(_flat(pixels[:half]))
    names = [str(label) for label in range(int(labels.max()) + 1)]
    for change, apply in CHANGES.items():
        if change == "in grey" and channels == 1:
            continue
        changed, of = apply(pixels[half:], labels[half:])
        predicted = classifier.predict(_flat(changed))
        for size in SIZES:
            sets = [generator.permutation(len(of))[:size] for _ in range(draws)] if size <= len(of) else []
            if sets:
                by_channels = [
                    bool(channel_warnings(ChannelStatistics.of(changed[one], channels), trained)) for one in sets
                ]
                by_classes = [bool(class_warnings(predicted[one], usual, names)) for one in sets]
                yield {
                    "data": name,
                    "change": change,
                    "images": size,
                    "channels_percent": 100 * float(np.mean(by_channels)),
                    "classes_percent": 100 * float(np.mean(by_classes)),
                }


def _flat(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(len(pixels), -1) / 255


def table(result: dict[str, Any]) -> str:
    """Return the rates as Markdown."""
    lines = [
        f"Share of {result['draws']} random sets of which each rule warns.",
        "",
        "| data | change | images | by channels | by classes |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for row in result["rates"]:
        shares = f"{row['channels_percent']:.1f} % | {row['classes_percent']:.1f} %"
        lines.append(f"| {row['data']} | {row['change']} | {row['images']} | {shares} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data-dir", type=Path, default=Path("data"), help="where CIFAR-10's folder is looked for")
    options.add_argument("--draws", type=int, default=200)
    options.add_argument("--out", type=Path, help="where to keep the result, as .json and .md")
    chosen = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    result: dict[str, Any] = {"draws": chosen.draws, "rates": []}
    for name in ("digits", "cifar10"):
        data = DataRecipe(name=name)
        try:
            images = load_images(data, chosen.data_dir, "train")
        except Unavailable as error:
            print(f"left out: {error}")
            continue
        result["rates"] += rates(name, images, data.shape.channels, chosen.draws)
    write_result(result, table(result), chosen.out)


if __name__ == "__main__":
    main()
