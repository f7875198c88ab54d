"""The formats that images come in, a file for each; the training part never opens a file of the test part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cifar_sweep.data.formats.cifar import CIFAR
from cifar_sweep.data.formats.digits import DIGITS
from cifar_sweep.data.formats.folder import FOLDER
from cifar_sweep.data.formats.images import Format, Images, Part, official_folder, own_path
from cifar_sweep.data.formats.npz import NPZ
from cifar_sweep.data.formats.stl10 import STL10
from cifar_sweep.data.pickles import UnsafePickleError
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.datasets import chosen_classes
from cifar_sweep.schema import Shape
from sweeps.workload import Unavailable

__all__ = [
    "FORMATS",
    "Format",
    "Images",
    "Part",
    "class_names",
    "official_folder",
    "own_path",
    "read_images",
    "source_files",
]

FORMATS: Mapping[str, Format] = {
    "digits": DIGITS,
    "cifar10": CIFAR,
    "cifar100": CIFAR,
    "stl10": STL10,
    "npz": NPZ,
    "folder": FOLDER,
}


def source_files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    """The files that `part` is read from, which exist. Raises Unavailable naming the first that is missing."""
    form = FORMATS[data.name]
    files = form.files(data, data_dir, part)
    missing = next((file for file in files if not file.exists()), None)
    if missing is not None:
        raise Unavailable(
            f"data {data.name}: no {missing}. Put {form.wanted}, or name another data folder with --data-dir "
            "or $SWEEP_DATA"
        )
    return files


def read_images(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    """One part of the data, decoded, at the stored size; of the classes of `subset` only, where there is one.

    Raises Unavailable when the data is absent, ValueError when it is not as described.
    """
    source_files(data, data_dir, part)
    form = FORMATS[data.name]
    try:
        images = form.read(data, data_dir, part)
    except (OSError, UnsafePickleError) as error:
        raise ValueError(f"data {data.name}: the {part} part cannot be read: {error}") from error
    _check(images, data.stored, f"data {data.name}, {part} part")
    return _chosen(images, data, form.class_names(data, data_dir, part)) if data.subset else images


def class_names(data: DataRecipe, data_dir: Path, part: Part = "train") -> tuple[str, ...]:
    """What the data calls its classes, those of `subset` only, in the order of the labels; empty where it does not.

    CIFAR's are those of its meta file, or the well-known ones; a folder's those of the sub-folders of `part`; an npz
    may have an array class_names. Raises ValueError when there are more or fewer than the recipe has classes.
    """
    try:
        names = FORMATS[data.name].class_names(data, data_dir, part)
    except (OSError, UnsafePickleError) as error:
        raise ValueError(f"data {data.name}: the names of the classes cannot be read: {error}") from error
    if names and len(names) != data.stored.classes:
        raise ValueError(f"data {data.name} names {len(names)} classes but has {data.stored.classes}")
    if not names or data.subset is None:
        return names
    return tuple(names[index] for index in chosen_classes(data.subset, names, len(names)))


def _chosen(images: Images, data: DataRecipe, names: tuple[str, ...]) -> Images:
    chosen = chosen_classes(data.subset or (), names, data.stored.classes)
    new_label = np.full(data.stored.classes, -1)
    new_label[list(chosen)] = np.arange(len(chosen))
    labels = new_label[images.labels]
    if not (labels >= 0).any():
        raise ValueError(f"data.subset is {list(data.subset or ())} but the data has no image of these classes")
    return Images(images.pixels[labels >= 0], labels[labels >= 0])


def _check(images: Images, shape: Shape, what: str) -> None:
    expected = (shape.size, shape.size, shape.channels)
    if images.pixels.dtype != np.uint8 or images.pixels.shape[1:] != expected:
        raise ValueError(
            f"{what}: expected images of {expected} uint8 but got {images.pixels.shape[1:]} {images.pixels.dtype}"
        )
    if not np.issubdtype(images.labels.dtype, np.integer) or images.labels.shape != images.pixels.shape[:1]:
        raise ValueError(
            f"{what}: {len(images.pixels)} images need as many integer labels but there are "
            f"{images.labels.shape} {images.labels.dtype}"
        )
    if len(images) == 0:
        raise ValueError(f"{what} is empty")
    low, high = int(images.labels.min()), int(images.labels.max())
    if low < 0 or high >= shape.classes:
        raise ValueError(f"{what}: labels must be 0 to {shape.classes - 1} but are {low} to {high}")
