"""The images that a format reads, and the functions that a format consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import Fit
from cifar_sweep.schema import below

Part = Literal["train", "test"]
# The folders that the official archives unpack to.
OFFICIAL = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python", "stl10": "stl10_binary"}


@dataclass(frozen=True)
class Images:
    """Labelled images.

    Attributes:
        pixels: (N, size, size, channels) uint8.
        labels: (N,) int64.
        fit: The resize and crop left to do with each batch before the network sees it (`resize.apply_fit`), or None.
    """

    pixels: np.ndarray
    labels: np.ndarray
    fit: Fit | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Format:
    """The functions that find and read the images of one format.

    Reading the training part must not open a file of the test part.

    Attributes:
        files: Returns the files of a part, existing or not.
        read: Returns the images of a part, of all classes, at the stored size.
        outline: Returns what `read` would return, but with blank pixels (`blank`): labels may be read, pixels may not.
        class_names: Returns the class names that the data states, in the order of the labels; may be empty.
        expected_files: The files to put where, in words, for the message that they are missing.
        notes: Returns what the user should know about the files of a part, such as those that are not read; a sentence
            each.
    """

    files: Callable[[DataRecipe, Path, Part], list[Path]]
    read: Callable[[DataRecipe, Path, Part], Images]
    outline: Callable[[DataRecipe, Path, Part], Images]
    class_names: Callable[[DataRecipe, Path, Part], tuple[str, ...]]
    expected_files: str
    notes: Callable[[DataRecipe, Path, Part], list[str]] = lambda data, data_dir, part: []


def blank(shape: tuple[int, ...], dtype: np.dtype[Any] | type = np.uint8) -> np.ndarray:
    """Return an array of zeros of any shape that takes no memory and cannot be written to."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def official_folder(data: DataRecipe, data_dir: Path) -> Path:
    """Return the folder of the official files of a data set that can be downloaded."""
    return data_dir / OFFICIAL[data.name]


def configured_path(data: DataRecipe, data_dir: Path) -> Path:
    """Return the path of an npz or folder data set: the recipe's `path`, below the data folder when it is relative."""
    return below(data_dir, str(data.path))
