"""A folder of images: train/ and test/ with one sub-folder per class, in any image formats and sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cifar_sweep.data.formats.decode import Square, decode_files
from cifar_sweep.data.formats.images import Format, Images, Part, own_path
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.datasets import chosen_classes

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".tif", ".tiff"})


def image_files(folder: Path) -> list[Path]:
    """The images below `folder`, by their suffix, in the order of their paths; hidden files are left out."""
    found = (file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(file for file in found if not file.name.startswith("."))


def class_folders(root: Path) -> list[Path]:
    """The sub-folders of `root` in the order of their names; hidden ones are left out."""
    if not root.is_dir():
        return []
    return sorted(folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def _files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    root = own_path(data, data_dir) / part
    found = [file for folder in class_folders(root) for file in image_files(folder)]
    return found or [root / "<class>" / "<image>.png"]


def _read(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    root, names = own_path(data, data_dir) / part, _class_names(data, data_dir, part)
    if len(names) != data.classes:
        raise ValueError(f"data.classes is {data.classes} but {root} has {len(names)} folders")
    trained = _class_names(data, data_dir, "train")
    if trained and names != trained:  # a set that is only measured on may have no train/
        raise ValueError(f"{root} must have the same folders as train/: {', '.join(trained)}")
    wanted = chosen_classes(data.subset or range(len(names)), names, len(names))
    files = [(file, label) for label in sorted(wanted) for file in image_files(root / names[label])]
    pixels = decode_files([file for file, _ in files], data.stored.channels, Square.stored(data))
    return Images(pixels, np.array([label for _, label in files], dtype=np.int64))


def _class_names(data: DataRecipe, data_dir: Path, part: Part) -> tuple[str, ...]:
    return tuple(folder.name for folder in class_folders(own_path(data, data_dir) / part))


FOLDER = Format(_files, _read, _class_names, "train/ and test/ with one sub-folder of images per class there")
