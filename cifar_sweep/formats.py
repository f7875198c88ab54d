"""The formats that images come in, each read by one function; the training part never opens a file of the test part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cifar_sweep.pickles import UnsafePickleError, read_pickle
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.section import Shape
from sweeps.workload import Unavailable

Part = Literal["train", "test"]
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".tif", ".tiff"})
DIGITS_TEST = 297  # of scikit-learn's 1,797 digits, which come undivided


@dataclass(frozen=True)
class Images:
    """Labelled images: `pixels` (N, size, size, channels) uint8, `labels` (N,) int64."""

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Format:
    """How the images of one name are found and read."""

    files: Callable[[DataRecipe, Path, Part], list[Path]]
    read: Callable[[DataRecipe, Path, Part], Images]


def source_files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    """The files that `part` is read from, which exist. Raises Unavailable naming the first that is missing."""
    files = FORMATS[data.name].files(data, data_dir, part)
    missing = next((file for file in files if not file.exists()), None)
    if missing is not None:
        raise Unavailable(f"data {data.name}: no {missing}. {_way_out(data)}")
    return files


def read_images(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    """One part of the data, decoded. Raises Unavailable when it is absent, ValueError when it is not as described."""
    source_files(data, data_dir, part)
    try:
        images = FORMATS[data.name].read(data, data_dir, part)
    except (OSError, UnsafePickleError) as error:
        raise ValueError(f"data {data.name}: the {part} part cannot be read: {error}") from error
    _check(images, data.shape, f"data {data.name}, {part} part")
    return images


def cifar_folder(data: DataRecipe, data_dir: Path) -> Path:
    """Where the official "python version" of CIFAR is looked for."""
    return data_dir / ("cifar-10-batches-py" if data.name == "cifar10" else "cifar-100-python")


def own_path(data: DataRecipe, data_dir: Path) -> Path:
    """Where npz or folder is: `path`, below the data folder when relative."""
    return data_dir / str(data.path)


def class_names(data: DataRecipe, data_dir: Path, part: Part) -> list[str]:
    """The names of the sub-folders of a folder's `part`, in the order of the labels; empty for the other formats."""
    return [f.name for f in _class_folders(own_path(data, data_dir) / part)] if data.name == "folder" else []


def _cifar_files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    if data.name == "cifar100":
        names: list[str] = [part]
    else:
        names = [f"data_batch_{index}" for index in range(1, 6)] if part == "train" else ["test_batch"]
    return [cifar_folder(data, data_dir) / name for name in names]


def _read_cifar(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    key = "fine_labels" if data.name == "cifar100" else "labels"
    batches = [(file, read_pickle(file)) for file in _cifar_files(data, data_dir, part)]
    for file, batch in batches:
        absent = {"data", key} - set(batch)
        if absent:
            raise ValueError(f"{file} has no {sorted(absent)[0]!r}")
        if getattr(batch["data"], "dtype", None) != np.uint8 or batch["data"].shape[1:] != (3072,):
            raise ValueError(f"{file}: 'data' must be an array of N x 3072 uint8")
    flat = np.concatenate([batch["data"] for _, batch in batches])
    labels = np.concatenate([np.asarray(batch[key]) for _, batch in batches])
    return Images(np.ascontiguousarray(flat.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels)


def _no_files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    return []


def _read_digits(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    train, test = train_test_split(
        np.arange(len(digits.target)), test_size=DIGITS_TEST, stratify=digits.target, random_state=0
    )
    index = np.sort(train if part == "train" else test)
    pixels = np.rint(digits.images[index] * (255 / 16)).astype(np.uint8)
    return Images(pixels[..., None], digits.target[index])


def _npz_files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    return [own_path(data, data_dir)]


def _read_npz(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    path = own_path(data, data_dir)
    # An npz is a zip: only the arrays asked for are read from it.
    with np.load(path, allow_pickle=False) as arrays:
        absent = [name for name in (f"x_{part}", f"y_{part}") if name not in arrays]
        if absent:
            raise ValueError(f"{path} has no array {absent[0]!r}; it has {', '.join(arrays.files)}")
        pixels, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
    return Images(pixels[..., None] if pixels.ndim == 3 else pixels, labels.reshape(-1))


def _folder_files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    root = own_path(data, data_dir) / part
    found = [file for folder in _class_folders(root) for file in _image_files(folder)]
    return found or [root / "<class>" / "<image>.png"]


def _read_folder(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    root = own_path(data, data_dir) / part
    folders = _class_folders(root)
    if len(folders) != data.classes:
        raise ValueError(f"data.classes is {data.classes} but {root} has {len(folders)} folders")
    names = class_names(data, data_dir, "train")
    if names and [folder.name for folder in folders] != names:  # a set that is only measured on may have no train/
        raise ValueError(f"{root} must have the same folders as train/: {', '.join(names)}")
    files = [(file, label) for label, folder in enumerate(folders) for file in _image_files(folder)]
    pixels = np.stack([_read_image(file, data.shape) for file, _ in files])
    return Images(pixels, np.array([label for _, label in files]))


def _read_image(file: Path, shape: Shape) -> np.ndarray:
    from PIL import Image

    with Image.open(file) as image:
        converted = image.convert("RGB" if shape.channels == 3 else "L")
        resized = converted.resize((shape.size, shape.size), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(shape.size, shape.size, shape.channels)


def _class_folders(root: Path) -> list[Path]:
    return sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []


def _image_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)


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


def _way_out(data: DataRecipe) -> str:
    if data.name in ("cifar10", "cifar100"):
        wanted = "the official 'python version' of the data, unpacked, in the data folder"
    elif data.name == "npz":
        wanted = "an .npz with x_train, y_train, x_test, y_test there"
    else:
        wanted = "train/ and test/ with one sub-folder of images per class there"
    return f"Put {wanted}, or name another data folder with --data-dir or $SWEEP_DATA"


FORMATS: Mapping[str, Format] = {
    "digits": Format(_no_files, _read_digits),
    "cifar10": Format(_cifar_files, _read_cifar),
    "cifar100": Format(_cifar_files, _read_cifar),
    "npz": Format(_npz_files, _read_npz),
    "folder": Format(_folder_files, _read_folder),
}
