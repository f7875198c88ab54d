"""The formats of labelled images, one file each. Reading the training part never opens a file of the test part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cifar_sweep.data.formats.cifar import CIFAR
from cifar_sweep.data.formats.digits import DIGITS
from cifar_sweep.data.formats.folder import FOLDER
from cifar_sweep.data.formats.images import Format, Images, Part, configured_path, official_folder
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
    "check_part",
    "class_names",
    "configured_path",
    "official_folder",
    "part_notes",
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
    """Return the files that `part` is read from; all of them exist.

    Raises:
        Unavailable: A file is missing; the message names the first one.
        ValueError: A folder cannot be read, or has links that cannot be followed.
    """
    form = FORMATS[data.name]
    with _explained(data, f"the {part} part"):
        files = form.files(data, data_dir, part)
    missing = next((file for file in files if not file.exists()), None)
    if missing is not None:
        raise Unavailable(
            f"data {data.name}: no {missing}. Put {form.expected_files}, or name another data folder with --data-dir "
            "or $SWEEP_DATA"
        )
    return files


def read_images(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    """Return one part of the data, decoded, at the stored size; with `subset`, only the images of its classes.

    Raises:
        Unavailable: The data is absent.
        ValueError: A file is broken, or the images are not as `data` describes them.
    """
    source_files(data, data_dir, part)
    return _checked(FORMATS[data.name].read, data, data_dir, part)


def check_part(data: DataRecipe, data_dir: Path, part: Part) -> None:
    """Check all of a part that can be known without reading a pixel: files, shapes, types, class names, labels.

    Raises:
        Unavailable: The data is absent.
        ValueError: The files are not as `data` describes them.
    """
    source_files(data, data_dir, part)
    _checked(FORMATS[data.name].outline, data, data_dir, part)
    class_names(data, data_dir, part)


def part_notes(data: DataRecipe, data_dir: Path, part: Part) -> list[str]:
    """Return what the user should know about the files of a part, such as how many are not read; a sentence each.

    Raises:
        ValueError: A folder cannot be read, or has links that cannot be followed.
    """
    with _explained(data, f"the {part} part"):
        return FORMATS[data.name].notes(data, data_dir, part)


def _checked(read: Callable[[DataRecipe, Path, Part], Images], data: DataRecipe, data_dir: Path, part: Part) -> Images:
    """Return the images that `read` returns, checked, and of the classes of `subset` alone."""
    with _explained(data, f"the {part} part"):
        images = read(data, data_dir, part)
    place = f" ({configured_path(data, data_dir)})" if data.path is not None else ""
    _check_images(images, data.stored, f"data {data.name}{place}, {part} part")
    names = FORMATS[data.name].class_names(data, data_dir, part)
    return _keep_subset(images, data, names) if data.subset else images


@contextmanager
def _explained(data: DataRecipe, subject: str) -> Iterator[None]:
    """Raise ValueError, naming the data and the subject, where a file cannot be read."""
    try:
        yield
    except (OSError, UnsafePickleError) as error:
        raise ValueError(f"data {data.name}: {subject} cannot be read: {error}") from error


def class_names(data: DataRecipe, data_dir: Path, part: Part = "train") -> tuple[str, ...]:
    """Return the class names that the data states, in the order of the labels; empty where it states none.

    CIFAR's are those of its meta file or, without the file, the well-known ones; a folder's those of the sub-folders of
    `part`; an .npz may have an array class_names. With `subset`, only its names.

    Raises:
        ValueError: The names cannot be read, or there are more or fewer than the recipe has classes.
    """
    with _explained(data, "the names of the classes"):
        names = FORMATS[data.name].class_names(data, data_dir, part)
    if names and len(names) != data.stored.classes:
        raise ValueError(f"data {data.name} names {len(names)} classes but has {data.stored.classes}")
    if not names or data.subset is None:
        return names
    return tuple(names[index] for index in chosen_classes(data.subset, names, len(names)))


def _keep_subset(images: Images, data: DataRecipe, names: tuple[str, ...]) -> Images:
    """Return the images of the classes of `subset`, relabelled in its order."""
    classes = chosen_classes(data.subset or (), names, data.stored.classes)
    new_label = np.full(data.stored.classes, -1)
    new_label[list(classes)] = np.arange(len(classes))
    labels = new_label[images.labels]
    if not (labels >= 0).any():
        raise ValueError(f"data.subset is {list(data.subset or ())} but the data has no image of these classes")
    return Images(images.pixels[labels >= 0], labels[labels >= 0])


def _check_images(images: Images, shape: Shape, subject: str) -> None:
    """Raise ValueError unless the images and labels are as `shape` says; `subject` names them in the message."""
    expected = (shape.size, shape.size, shape.channels)
    if images.pixels.dtype != np.uint8 or images.pixels.shape[1:] != expected:
        hint = "" if images.pixels.dtype == np.uint8 else "; store pixels as whole numbers from 0 to 255"
        raise ValueError(
            f"{subject}: expected images of {expected} uint8 but got {images.pixels.shape[1:]} {images.pixels.dtype}"
            f"{hint}"
        )
    if not np.issubdtype(images.labels.dtype, np.integer) or images.labels.shape != images.pixels.shape[:1]:
        raise ValueError(
            f"{subject}: {len(images.pixels)} images need as many integer labels but there are "
            f"{images.labels.shape} {images.labels.dtype}"
        )
    if len(images) == 0:
        raise ValueError(f"{subject} is empty")
    low, high = int(images.labels.min()), int(images.labels.max())
    if low < 0 or high >= shape.classes:
        raise ValueError(f"{subject}: labels must be 0 to {shape.classes - 1} but are {low} to {high}")
