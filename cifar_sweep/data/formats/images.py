"""What a format is and what it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import Fit

Part = Literal["train", "test"]
OFFICIAL = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python", "stl10": "stl10_binary"}


@dataclass(frozen=True)
class Images:
    """Labelled images: `pixels` (N, size, size, channels) uint8, `labels` (N,) int64.

    `fit` is what is left to do with each image before the network sees it, batch by batch (`resize.fitted`); None
    where nothing is.
    """

    pixels: np.ndarray
    labels: np.ndarray
    fit: Fit | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Format:
    """How the images of one name are found and read. The training part never opens a file of the test part.

    `read` gives all classes at the stored size. `class_names` are those that the data states, in the order of the
    labels, or none. `wanted` says what to put where nothing is found.
    """

    files: Callable[[DataRecipe, Path, Part], list[Path]]
    read: Callable[[DataRecipe, Path, Part], Images]
    class_names: Callable[[DataRecipe, Path, Part], tuple[str, ...]]
    wanted: str


def official_folder(data: DataRecipe, data_dir: Path) -> Path:
    """Where the official files of a data set that can be downloaded are looked for."""
    return data_dir / OFFICIAL[data.name]


def own_path(data: DataRecipe, data_dir: Path) -> Path:
    """Where npz or folder is: `path`, below the data folder when relative."""
    return data_dir / str(data.path)
