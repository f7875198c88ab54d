"""Small artificial data sets in the official layouts, for tests and smoke runs on machines without a network.

Every image is a handwritten digit of scikit-learn in the colour of its class on a patch of a photograph, so that the
classes can be learned. The same call writes the same files. `python -m tests.cifar_sweep.artificial_data FOLDER`
writes one of each.
"""

from __future__ import annotations

import colorsys
import pickle
import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from cifar_sweep.recipe.datasets import CLASS_NAMES, COARSE_NAMES

HANDS = 30  # handwritings of each digit
Layout = Literal["NHWC", "NCHW", "rows"]


def make_cifar10(data_dir: Path, per_class: int = 20, test_per_class: int = 5) -> Path:
    """Write CIFAR-10's batches and meta file below `data_dir`, and return it."""
    folder = _empty(data_dir / "cifar-10-batches-py")
    labels = shuffled_labels(10, per_class)
    pixels = _flat(pictures(labels, 32, seed=1))
    for number, part in enumerate(np.array_split(np.arange(len(labels)), 5), 1):
        _dump(folder / f"data_batch_{number}", {"data": pixels[part], "labels": labels[part].tolist()})
    labels = shuffled_labels(10, test_per_class)
    _dump(folder / "test_batch", {"data": _flat(pictures(labels, 32, seed=2)), "labels": labels.tolist()})
    _dump(folder / "batches.meta", {"label_names": list(CLASS_NAMES["cifar10"])})
    return data_dir


def make_cifar100(data_dir: Path, per_class: int = 5, test_per_class: int = 1) -> Path:
    """Write CIFAR-100's files, with fine and coarse labels and the meta file, below `data_dir`, and return it.

    Fine class f belongs to coarse class f % 20.
    """
    folder = _empty(data_dir / "cifar-100-python")
    for seed, (part, count) in enumerate((("train", per_class), ("test", test_per_class)), 1):
        labels = shuffled_labels(100, count)
        content = {"data": _flat(pictures(labels, 32, seed)), "fine_labels": labels.tolist()}
        _dump(folder / part, content | {"coarse_labels": (labels % 20).tolist()})
    names = {"fine_label_names": list(CLASS_NAMES["cifar100"]), "coarse_label_names": list(COARSE_NAMES)}
    _dump(folder / "meta", names)
    return data_dir


def make_stl10(data_dir: Path, per_class: int = 10, test_per_class: int = 3, unlabelled: int = 20) -> Path:
    """Write STL-10's binary files below `data_dir`, and return it."""
    folder = _empty(data_dir / "stl10_binary")
    for seed, (part, count) in enumerate((("train", per_class), ("test", test_per_class)), 1):
        labels = shuffled_labels(10, count)
        _columns(pictures(labels, 96, seed)).tofile(folder / f"{part}_X.bin")
        (labels + 1).astype(np.uint8).tofile(folder / f"{part}_y.bin")
    _columns(pictures(np.arange(unlabelled) % 10, 96, seed=3)).tofile(folder / "unlabeled_X.bin")
    return data_dir


def make_folder(root: Path, classes: int = 200, size: int = 64, per_class: int = 2, test_per_class: int = 1) -> Path:
    """Write train/ and test/ in `root`, and return it: a sub-folder per class of PNG and JPEG images of two sizes."""
    for seed, (part, count) in enumerate((("train", per_class), ("test", test_per_class)), 1):
        labels = np.repeat(np.arange(classes), count)
        for number, (label, picture) in enumerate(zip(labels, pictures(labels, size, seed), strict=True)):
            folder = root / part / f"class_{label:03}"
            folder.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(picture)
            image = image.resize((size + size // 4, size)) if number % 4 == 3 else image
            image.save(folder / f"{number:05}.{'jpg' if number % 2 else 'png'}", compress_level=1)
    return root


def make_unlabelled_pickle(path: Path, count: int = 50, size: int = 32, layout: Layout = "NHWC", **more: Any) -> Path:
    """Write a pickle as competitions publish it, with `data` and the entries of `more`, and return its path."""
    images = pictures(np.arange(count) % 10, size, seed=4)
    planes = images.transpose(0, 3, 1, 2)
    data = {"NHWC": images, "NCHW": planes, "rows": planes.reshape(count, -1)}[layout]
    path.parent.mkdir(parents=True, exist_ok=True)
    _dump(path, {"data": np.ascontiguousarray(data), **more})
    return path


def shuffled_labels(classes: int, per_class: int) -> np.ndarray:
    """Return `per_class` labels of each class, (N,), in random order."""
    return np.random.default_rng(0).permutation(np.repeat(np.arange(classes), per_class))


def pictures(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return an image for each of `labels` (N,): (N, size, size, 3) uint8."""
    generator = np.random.default_rng([size, seed])
    drawn = np.empty((len(labels), size, size, 3), np.uint8)
    for place, label in enumerate(labels.tolist()):
        strokes = _digit(label % 10, int(generator.integers(HANDS)), size)[..., None] / 255
        colour = 255 * np.array(colorsys.hsv_to_rgb(label * 0.618 % 1, 0.8, 1.0))
        drawn[place] = (1 - strokes) * _patch(size, generator) / 2 + strokes * colour
    return drawn


@cache
def _digit(label: int, number: int, size: int) -> np.ndarray:
    """Return a handwriting of a digit, (size, size) uint8."""
    digit = _digits()[label][number]
    image = Image.fromarray(np.rint(digit * (255 / 16)).astype(np.uint8))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


@cache
def _digits() -> tuple[np.ndarray, ...]:
    """Return the handwritings of each digit, (N, 8, 8) with values 0 to 16."""
    digits = load_digits()
    return tuple(digits.images[digits.target == label] for label in range(10))


@cache
def _photographs() -> tuple[np.ndarray, ...]:
    return tuple(load_sample_images().images)


def _patch(size: int, generator: np.random.Generator) -> np.ndarray:
    """Return a random square of a photograph, (size, size, 3) uint8."""
    photographs = _photographs()
    photograph = photographs[generator.integers(len(photographs))]
    top, left = (int(generator.integers(side - size)) for side in photograph.shape[:2])
    return photograph[top : top + size, left : left + size]


def _flat(pixels: np.ndarray) -> np.ndarray:
    """Return images as CIFAR stores them: rows of all pixels, channel by channel."""
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1))


def _columns(pixels: np.ndarray) -> np.ndarray:
    """Return images as STL-10 stores them: by channel, column and row."""
    return np.ascontiguousarray(pixels.transpose(0, 3, 2, 1))


def _dump(path: Path, content: dict[str, Any]) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    target = Path(sys.argv[1])
    make_cifar10(target, per_class=70, test_per_class=10)
    make_cifar100(target, per_class=7, test_per_class=2)
    make_stl10(target, per_class=70, test_per_class=10, unlabelled=100)
    make_folder(target / "made200", per_class=4, test_per_class=1)
    make_unlabelled_pickle(target / "unlabelled.pkl", count=200)
