"""Images without labels: what a network is asked to predict, and what pseudo-labels are given to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np

from cifar_sweep.data.formats import Images
from cifar_sweep.data.formats.decode import Square, decode_files, fit_pixels, image_size
from cifar_sweep.data.formats.folder import image_files
from cifar_sweep.data.formats.npz import read_arrays
from cifar_sweep.data.formats.stl10 import UNLABELLED_FILE, read_pixels
from cifar_sweep.data.pickles import UnsafePickleError, read_pickle
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import Fit
from sweeps.workload import Unavailable

PIXEL_KEYS = ("data", "x", "x_test", "images")
LABEL_KEYS = ("labels", "label", "fine_labels", "coarse_labels", "targets", "y", "y_train", "y_test")


@dataclass(frozen=True)
class Unlabelled:
    """Images without labels: `pixels` (N, size, size, channels) uint8 and the `ids` (N,) that name them.

    `fit` is what is left to do with each before the network sees it (`resize.fitted`, `decode.fit_pixels`), or None.
    """

    pixels: np.ndarray
    ids: tuple[str, ...]
    fit: Fit | None = None

    def __len__(self) -> int:
        return len(self.ids)


def read_unlabelled(path: Path, data: DataRecipe) -> Unlabelled:
    """The images at `path` for a network trained on `data`.

    A pickle, .npz or .npy of one array under one of PIXEL_KEYS, if wanted with `ids`; STL-10's unlabeled_X.bin or its
    folder; or a folder of images, whose ids are the files' names without suffix. An array is N x H x W x C,
    N x C x H x W (the axis with the channels of `data` tells; the last one counts where both could be) or, as CIFAR
    stores it, N rows of all pixels channel by channel. No code in a pickle is run.

    Raises Unavailable when there is nothing, ValueError when it has labels, is broken or of a size that `data` neither
    has nor resizes.
    """
    if not path.exists():
        raise Unavailable(f"no unlabelled images at {path}: give a pickle, an .npz, an .npy or a folder of images")
    try:
        found = _read(path, data)
    except (OSError, EOFError, UnsafePickleError) as error:
        raise ValueError(f"unlabelled images: {path} cannot be read: {error}") from error
    if len(found) == 0:
        raise ValueError(f"{path} holds no image")
    if len(set(found.ids)) < len(found):
        twice = next(each for place, each in enumerate(found.ids) if each in found.ids[:place])
        raise ValueError(f"{path}: ids must be unique but {twice!r} names two images")
    return found


def load_unlabelled(data: DataRecipe, data_dir: Path, images: Images) -> np.ndarray:
    """The images of `data.unlabelled.path` (U, size, size, channels) uint8 in the form in which `images`, the training
    part of `data`, are at hand: of the same size and with the same fit left to do. Raises as `read_unlabelled` does.
    """
    if data.unlabelled is None or data.unlabelled.path is None:
        raise ValueError("data.unlabelled.path is null: there is no collection without labels to load")
    path = data_dir / data.unlabelled.path
    found = read_unlabelled(path, data)
    if found.fit is not None and images.fit is None:
        found = Unlabelled(fit_pixels(found.pixels, found.fit), found.ids)
    theirs, ours = found.pixels.shape[1:3], images.pixels.shape[1:3]
    if theirs != ours or found.fit != images.fit:
        raise ValueError(
            f"data.unlabelled.path: the images in {path} have {_by(theirs)} pixels, but the training images, enlarged "
            f"batch by batch, have {_by(ours)}: bring them to that size"
        )
    return found.pixels


def _read(path: Path, data: DataRecipe) -> Unlabelled:
    if path.is_dir() and not (path / UNLABELLED_FILE).exists():
        return _from_folder(path, data)
    if path.is_dir() or path.suffix == ".bin":
        return _from_array(read_pixels(path / UNLABELLED_FILE if path.is_dir() else path), None, data, path)
    if path.suffix == ".npy":
        return _from_array(_read_array(path), None, data, path)
    if path.suffix == ".npz":
        return _from_mapping(read_arrays(path), data, path)
    return _from_mapping(read_pickle(path), data, path)


def _read_array(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, MemoryError) as error:
        raise ValueError(f"{path} is no .npy of a plain array") from error


def _from_mapping(content: Mapping[str, Any], data: DataRecipe, path: Path) -> Unlabelled:
    labels = next((key for key in LABEL_KEYS if key in content), None)
    if labels is not None:
        raise ValueError(
            f"{path} has labels (under {labels!r}), but unlabelled images are wanted: measure on a labelled set by "
            "naming it in the study's `evaluate`, or leave the labels out of the file"
        )
    keys = [key for key in PIXEL_KEYS if key in content]
    if len(keys) != 1:
        raise ValueError(f"{path} must have one array under {', '.join(PIXEL_KEYS)}; it has {_shown(content)}")
    return _from_array(content[keys[0]], content.get("ids"), data, path)


def _from_array(array: Any, ids: Any, data: DataRecipe, path: Path) -> Unlabelled:
    channels = data.shape.channels
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        kind = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
        raise ValueError(f"{path}: the images must be an array of uint8, 0 to 255, but are {kind}")
    pixels = _rows_and_columns(array, channels)
    if pixels is None:
        raise ValueError(
            f"{path}: the images must be N x H x W x {channels}, N x {channels} x H x W or N rows of {channels} square "
            f"channels but the array is {_by(array.shape)}"
        )
    names = tuple(map(str, range(len(pixels)))) if ids is None else tuple(map(_id, ids))
    if len(names) != len(pixels):
        raise ValueError(f"{path} has {len(pixels)} images but {len(names)} ids")
    return Unlabelled(pixels, names, _fit(pixels.shape[1:3], data, str(path)))


def _rows_and_columns(array: np.ndarray, channels: int) -> np.ndarray | None:
    """`array` as N x H x W x channels; None when it is nothing of the kind."""
    if array.ndim == 2 and array.shape[1] % channels == 0:
        side = isqrt(array.shape[1] // channels)
        if side > 0 and channels * side * side == array.shape[1]:
            return np.ascontiguousarray(array.reshape(-1, channels, side, side).transpose(0, 2, 3, 1))
    if array.ndim == 3 and channels == 1:
        return array[..., None]
    if array.ndim == 4 and array.shape[-1] == channels:
        return array
    if array.ndim == 4 and array.shape[1] == channels:
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1))
    return None


def _from_folder(path: Path, data: DataRecipe) -> Unlabelled:
    files = image_files(path)
    nested = next((file for file in files if file.parent != path), None)
    if nested is not None:
        raise ValueError(
            f"{path} has images in sub-folders ({nested.relative_to(path)}), as a labelled set has: measure on one by "
            "naming it in the study's `evaluate`, or put the images into one flat folder"
        )
    ids = tuple(file.stem for file in files)
    if data.name == "folder":
        return Unlabelled(decode_files(files, data.shape.channels, Square.stored(data)), ids, data.fit)
    side = data.stored.size
    other = next((file for file in files if image_size(file) != (side, side)), None)
    if other is None:
        return Unlabelled(decode_files(files, data.shape.channels, Square(side)), ids, data.fit)
    if data.resize is None:
        _fit(image_size(other)[::-1], data, str(other))
    return Unlabelled(decode_files(files, data.shape.channels, Square.final(data)), ids)


def _fit(size: tuple[int, ...], data: DataRecipe, what: str) -> Fit | None:
    """What brings images of `size` (height, width) to that of the network. Raises ValueError where nothing does."""
    stored = data.stored.size
    if size == (stored, stored) and data.fit is not None:
        return data.fit
    if data.resize is None and size != (stored, stored):
        raise ValueError(
            f"{what}: {_by(size)} pixels, but the network was trained on images of {stored} x {stored}: bring them to "
            "that size, or train with data.resize"
        )
    resize = data.resize if data.resize is not None and size != (data.resize, data.resize) else None
    crop = data.center_crop if data.center_crop != data.resize else None
    return None if resize is None and crop is None else Fit(resize, crop)


def _id(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _shown(content: Mapping[str, Any]) -> str:
    return ", ".join(map(str, content)) or "nothing"
