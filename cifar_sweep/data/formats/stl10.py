"""STL-10's binary files (Coates, Ng & Lee 2011): 96 x 96 pixels, by channel, column and row; labels count from 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cifar_sweep.data.formats.images import Format, Images, Part, blank, official_folder
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.datasets import CLASS_NAMES

SIDE = 96
UNLABELLED_FILE = "unlabeled_X.bin"


def read_pixels(file: Path) -> np.ndarray:
    """Return the images (N, 96, 96, 3) uint8 of train_X.bin, test_X.bin or unlabeled_X.bin.

    Raises:
        ValueError: The file is empty or ends within an image.
    """
    _count_images(file)
    columns = np.fromfile(file, np.uint8).reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(columns.transpose(0, 3, 2, 1))


def _count_images(file: Path) -> int:
    """Return the number of images in a file, from its size. Raises ValueError as `read_pixels` does."""
    size = file.stat().st_size
    if size == 0 or size % (3 * SIDE * SIDE):
        raise ValueError(
            f"{file} has {size} bytes, which is no whole number of images of 3 x {SIDE} x {SIDE}: is it truncated?"
        )
    return size // (3 * SIDE * SIDE)


def _files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    return [official_folder(data, data_dir) / f"{part}_{kind}.bin" for kind in "Xy"]


def _read(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    pixels, labels = _files(data, data_dir, part)
    return Images(read_pixels(pixels), _read_labels(labels))


def _outline(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    pixels, labels = _files(data, data_dir, part)
    return Images(blank((_count_images(pixels), SIDE, SIDE, 3)), _read_labels(labels))


def _read_labels(file: Path) -> np.ndarray:
    return np.fromfile(file, np.uint8).astype(np.int64) - 1


def _class_names(data: DataRecipe, data_dir: Path, part: Part) -> tuple[str, ...]:
    return CLASS_NAMES["stl10"]


STL10 = Format(
    _files, _read, _outline, _class_names, "the official binary files of STL-10, in stl10_binary in the data folder"
)
