"""A folder of images: train/ and test/ with one sub-folder per class, of any image formats and sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cifar_sweep.data.formats.decode import Square, decode_files
from cifar_sweep.data.formats.images import Format, Images, Part, configured_path
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.datasets import chosen_classes

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".tif", ".tiff"})


def image_files(folder: Path) -> list[Path]:
    """Return the images below `folder`, by their suffix, sorted by path; hidden files are left out."""
    images = (file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    # Hidden files with an image's suffix are no images: macOS leaves "._0.png" beside "0.png" on foreign disks.
    return sorted(file for file in images if not file.name.startswith("."))


def class_folders(root: Path) -> list[Path]:
    """Return the sub-folders of `root`, sorted by name; hidden ones are left out."""
    if not root.is_dir():
        return []
    return sorted(folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def _files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    root = configured_path(data, data_dir) / part
    files = [file for folder in class_folders(root) for file in image_files(folder)]
    # Without any, a path that does not exist shows the expected layout in the message.
    return files or [root / "<class>" / "<image>.png"]


def _read(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    root, names = configured_path(data, data_dir) / part, _class_names(data, data_dir, part)
    if len(names) != data.classes:
        raise ValueError(f"data.classes is {data.classes} but {root} has {len(names)} folders")
    train_names = _class_names(data, data_dir, "train")
    if train_names and names != train_names:  # a set that is only measured on may have no train/
        raise ValueError(f"{root} must have the same folders as train/: {', '.join(train_names)}")
    # Images of classes outside the subset are not even opened.
    classes = chosen_classes(data.subset or range(len(names)), names, len(names))
    files = [(file, label) for label in sorted(classes) for file in image_files(root / names[label])]
    pixels = decode_files([file for file, _ in files], data.stored.channels, Square.stored(data))
    return Images(pixels, np.array([label for _, label in files], dtype=np.int64))


def _class_names(data: DataRecipe, data_dir: Path, part: Part) -> tuple[str, ...]:
    return tuple(folder.name for folder in class_folders(configured_path(data, data_dir) / part))


FOLDER = Format(_files, _read, _class_names, "train/ and test/ with one sub-folder of images per class there")
