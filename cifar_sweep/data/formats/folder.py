"""A folder of images: train/ and test/ with one sub-folder per class, of any image formats and sizes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cifar_sweep.data.formats.decode import Square, decode_files
from cifar_sweep.data.formats.images import Format, Images, Part, blank, configured_path
from cifar_sweep.data.formats.listing import (
    Listing,
    class_folders,
    count_by_suffix,
    describe_unread,
    files_beside_classes,
    first_named,
    list_images,
)
from cifar_sweep.data.formats.reading import reading_of
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.datasets import chosen_classes


def _files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    root, reading = configured_path(data, data_dir) / part, reading_of(data)
    files = [file for folder in class_folders(root, reading) for file in list_images(folder, reading).images]
    # Without any, a path that does not exist shows the expected layout in the message.
    return files or [root / "<class>" / "<image>.png"]


def _read(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    files = _labelled_files(data, data_dir, part)
    square = Square.stored(data)
    pixels = decode_files([file for file, _ in files], data.stored.channels, square, reading_of(data))
    return Images(pixels, np.array([label for _, label in files], dtype=np.int64))


def _outline(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    files, shape = _labelled_files(data, data_dir, part), data.stored
    unusable = [f"{file} {problem}" for file, _ in files if (problem := _obvious_problem(file))]
    if unusable:
        raise ValueError(f"{len(unusable)} of the images cannot be read; replace or remove:{first_named(unusable)}")
    pixels = blank((len(files), shape.size, shape.size, shape.channels))
    return Images(pixels, np.array([label for _, label in files], dtype=np.int64))


def _labelled_files(data: DataRecipe, data_dir: Path, part: Part) -> list[tuple[Path, int]]:
    """Return the images of a part with their labels, class by class. Raises ValueError where the classes are wrong."""
    root, reading = configured_path(data, data_dir) / part, reading_of(data)
    names = _require_classes(data, data_dir, part)
    # Images of classes outside the subset are not even opened.
    classes = sorted(chosen_classes(data.subset or range(len(names)), names, len(names)))
    listings = {label: list_images(root / names[label], reading) for label in classes}
    if reading.strict:
        _refuse_empty([(root / names[label], listings[label]) for label in classes])
    return [(file, label) for label in classes for file in listings[label].images]


def _require_classes(data: DataRecipe, data_dir: Path, part: Part) -> tuple[str, ...]:
    """Return the class names of a part. Raises ValueError unless they are as many as stated, and those of train/."""
    root, reading = configured_path(data, data_dir) / part, reading_of(data)
    names, train_names = (_class_names(data, data_dir, each) for each in (part, "train"))
    # A set that is only measured on may have no train/.
    if part != "train" and train_names and names != train_names:
        raise ValueError(
            f"{root} must have the same folders as train/: {', '.join(train_names)}; it has {', '.join(names)}"
        )
    if len(names) != data.classes:
        if reading.strict:
            folders = [root / name for name in names]
            _refuse_empty([(folder, list_images(folder, reading)) for folder in folders])
        raise ValueError(f"data.classes is {data.classes} but {root} has {len(names)} folders")
    return names


def _refuse_empty(listings: Sequence[tuple[Path, Listing]]) -> None:
    """Raise ValueError where a class, given by its folder and what is in it, has no images."""
    empty = [(folder, listing) for folder, listing in listings if not listing.images]
    if empty:
        which = "a class has no images" if len(empty) == 1 else f"{len(empty)} classes have no images"
        folders = (f"{folder} ({describe_unread(listing.unread) or 'no file'})" for folder, listing in empty)
        raise ValueError(
            f"{which}; add some, or remove the folder or leave the class out by data.subset:{first_named(folders)}"
        )


def _obvious_problem(file: Path) -> str:
    """Return why a file cannot be an image, as far as can be said without opening it; "" if nothing shows."""
    if not file.is_file():
        return "is no file"
    if not os.access(file, os.R_OK):
        return "may not be read by this user"
    return "" if file.stat().st_size else "is empty"


def _class_names(data: DataRecipe, data_dir: Path, part: Part) -> tuple[str, ...]:
    folders = class_folders(configured_path(data, data_dir) / part, reading_of(data))
    return tuple(folder.name for folder in folders)


def _notes(data: DataRecipe, data_dir: Path, part: Part) -> list[str]:
    root, reading = configured_path(data, data_dir) / part, reading_of(data)
    unread = Counter[str]()
    for folder in class_folders(root, reading):
        unread.update(list_images(folder, reading).unread)
    notes = [f"below {root}, {described}"] if (described := describe_unread(unread)) else []
    beside = files_beside_classes(root, reading)
    if beside:
        notes.append(f"beside the classes' folders in {root}, {describe_unread(count_by_suffix(beside))}")
    return notes


FOLDER = Format(
    _files, _read, _outline, _class_names, "train/ and test/ with one sub-folder of images per class there", _notes
)
