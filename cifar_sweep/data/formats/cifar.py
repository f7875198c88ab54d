"""CIFAR-10 and CIFAR-100 as the official "python version": pickled batches of N x 3072 bytes, channel by channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cifar_sweep.data.formats.images import Format, Images, Part, blank, official_folder
from cifar_sweep.data.pickles import read_pickle
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.datasets import CLASS_NAMES, COARSE_NAMES


def read_coarse_labels(data: DataRecipe, data_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the fine and the coarse labels of CIFAR-100's training images, (N,) each. Raises as `read_pickle` does."""
    (file,) = _files(data, data_dir, "train")
    batch = _read_batch(file, "fine_labels", "coarse_labels")
    return np.asarray(batch["fine_labels"]), np.asarray(batch["coarse_labels"])


def read_coarse_names(data: DataRecipe, data_dir: Path) -> tuple[str, ...]:
    """Return the names of CIFAR-100's coarse classes: those of the meta file or, without it, the well-known ones."""
    return _names_in_meta(data, data_dir, "coarse_label_names") or COARSE_NAMES


def _files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    if data.name == "cifar100":
        names: list[str] = [part]
    else:
        names = [f"data_batch_{index}" for index in range(1, 6)] if part == "train" else ["test_batch"]
    return [official_folder(data, data_dir) / name for name in names]


def _read(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    batches = _checked_batches(data, data_dir, part, without_pixels=False)
    flat = np.concatenate([pixels for pixels, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    return Images(np.ascontiguousarray(flat.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels)


def _outline(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    batches = _checked_batches(data, data_dir, part, without_pixels=True)
    labels = np.concatenate([labels for _, labels in batches])
    return Images(blank((sum(len(pixels) for pixels, _ in batches), 32, 32, 3)), labels)


def _checked_batches(
    data: DataRecipe, data_dir: Path, part: Part, *, without_pixels: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the pixels (N, 3072) and labels (N,) of each batch of a part, the pixels blank if wanted."""
    key = "fine_labels" if data.name == "cifar100" else "labels"
    batches = [
        (file, _read_batch(file, "data", key, without_pixels=without_pixels)) for file in _files(data, data_dir, part)
    ]
    for file, batch in batches:
        if getattr(batch["data"], "dtype", None) != np.uint8 or batch["data"].shape[1:] != (3072,):
            raise ValueError(f"{file}: 'data' must be an array of N x 3072 uint8")
    return [(batch["data"], np.asarray(batch[key])) for _, batch in batches]


def _read_batch(file: Path, *keys: str, without_pixels: bool = False) -> dict[str, Any]:
    """Return the content of a pickled batch. Raises ValueError where it lacks one of `keys`."""
    batch = read_pickle(file, blank=without_pixels)
    absent = [key for key in keys if key not in batch]
    if absent:
        raise ValueError(f"{file} has no {absent[0]!r}")
    return batch


def _class_names(data: DataRecipe, data_dir: Path, part: Part) -> tuple[str, ...]:
    key = "fine_label_names" if data.name == "cifar100" else "label_names"
    return _names_in_meta(data, data_dir, key) or CLASS_NAMES[data.name]


def _names_in_meta(data: DataRecipe, data_dir: Path, key: str) -> tuple[str, ...]:
    """Return the names under `key` in the meta file; empty where the file or the key is absent."""
    file = official_folder(data, data_dir) / ("meta" if data.name == "cifar100" else "batches.meta")
    if not file.exists():
        return ()
    names = read_pickle(file).get(key, ())
    return tuple(name.decode("latin1") if isinstance(name, bytes) else str(name) for name in names)


CIFAR = Format(
    _files,
    _read,
    _outline,
    _class_names,
    "the official 'python version' of the data, unpacked, in the data folder",
)
