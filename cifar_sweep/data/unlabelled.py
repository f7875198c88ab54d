"""Images without labels, for predictions and for techniques that learn from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np

from cifar_sweep.data.formats import Images
from cifar_sweep.data.formats.decode import Square, decode_files, fit_pixels, image_sizes
from cifar_sweep.data.formats.listing import describe_unread, list_images
from cifar_sweep.data.formats.npz import read_arrays
from cifar_sweep.data.formats.reading import reading_of
from cifar_sweep.data.formats.stl10 import UNLABELLED_FILE, read_pixels
from cifar_sweep.data.pickles import UnsafePickleError, read_pickle
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import Fit
from cifar_sweep.schema import below
from sweeps.workload import Unavailable

PIXEL_KEYS = ("data", "x", "x_test", "images")
LABEL_KEYS = ("labels", "label", "fine_labels", "coarse_labels", "targets", "y", "y_train", "y_test")


@dataclass(frozen=True)
class Unlabelled:
    """Images without labels.

    Attributes:
        pixels: (N, height, width, channels) uint8.
        ids: N names, one per image.
        fit: The resize and crop left to do before the network sees the images (`resize.apply_fit`,
            `decode.fit_pixels`), or None.
        notes: What the user should know, such as how many files were not read; a sentence each.
    """

    pixels: np.ndarray
    ids: tuple[str, ...]
    fit: Fit | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


def read_unlabelled(path: Path, data: DataRecipe) -> Unlabelled:
    """Return the images at `path` for a network trained on `data`.

    An array of images is N x H x W x C, N x C x H x W (by the axis that has the channels of `data`; where both could
    be, it is the last axis) or, as CIFAR stores it, N rows of all pixels, channel by channel. Pickles are read without
    running their code.

    Args:
        path: A pickle or .npz with one array under one of PIXEL_KEYS and, optionally, `ids`; an .npy of one array;
            STL-10's unlabeled_X.bin or its folder; a folder of images, whose ids are the names of the files without
            suffix; or one such image.
        data: The data that the network was trained on.

    Raises:
        Unavailable: There is nothing at `path`.
        ValueError: The images have labels, are broken, or have a size that `data` neither has nor resizes.
    """
    if not path.exists():
        raise Unavailable(
            f"no unlabelled images at {path}: give a pickle, an .npz, an .npy, an image or a folder of images"
        )
    try:
        images = _read(path, data)
    except (OSError, EOFError, UnsafePickleError) as error:
        raise ValueError(f"unlabelled images: {path} cannot be read: {error}") from error
    if len(images) == 0:
        raise ValueError("; ".join([f"{path} holds no image", *images.notes]))
    if len(set(images.ids)) < len(images):
        repeated = next(name for place, name in enumerate(images.ids) if name in images.ids[:place])
        raise ValueError(f"{path}: ids must be unique but {repeated!r} names two images")
    return images


def load_unlabelled(data: DataRecipe, data_dir: Path, images: Images) -> Unlabelled:
    """Return the images of `data.unlabelled.path` in the form of the training images, to be put into one array.

    Args:
        data: The recipe with the path.
        data_dir: The data folder, for a relative path.
        images: The training part of `data`.

    Returns:
        Pixels (U, size, size, channels), of the size of `images` and with the same resize and crop left to do.

    Raises:
        Unavailable: There is nothing at the path.
        ValueError: As `read_unlabelled`, or the images cannot be brought to this form.
    """
    if data.unlabelled is None or data.unlabelled.path is None:
        raise ValueError("data.unlabelled.path is null: there is no collection without labels to load")
    path = below(data_dir, data.unlabelled.path)
    unlabelled = read_unlabelled(path, data)
    if unlabelled.fit is not None and images.fit is None:
        unlabelled = replace(unlabelled, pixels=fit_pixels(unlabelled.pixels, unlabelled.fit), fit=None)
    theirs, ours = unlabelled.pixels.shape[1:3], images.pixels.shape[1:3]
    if theirs != ours or unlabelled.fit != images.fit:
        raise ValueError(
            f"data.unlabelled.path: the images in {path} have {_by(theirs)} pixels, but the training images, enlarged "
            f"batch by batch, have {_by(ours)}: resize them to that"
        )
    return unlabelled


def _read(path: Path, data: DataRecipe) -> Unlabelled:
    """Read the images with the reader of their format, chosen by the suffix."""
    if path.is_dir() and not (path / UNLABELLED_FILE).exists():
        return _from_folder(path, data)
    if path.is_dir() or path.suffix == ".bin":
        return _from_array(read_pixels(path / UNLABELLED_FILE if path.is_dir() else path), None, data, path)
    if path.suffix == ".npy":
        return _from_array(_read_array(path), None, data, path)
    if path.suffix.lower() in reading_of(data).suffixes:
        return _from_files([path], data)
    if path.suffix == ".npz":
        return _from_mapping(read_arrays(path), data, path)
    return _from_mapping(read_pickle(path), data, path)


def _read_array(path: Path) -> Any:
    """Return the array of an .npy file. Raises ValueError."""
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, MemoryError) as error:
        raise ValueError(f"{path} is no .npy of a plain array") from error


def _from_mapping(content: Mapping[str, Any], data: DataRecipe, path: Path) -> Unlabelled:
    """Return the images of a pickle or .npz. Raises ValueError where it has labels or no single array of images."""
    label_key = next((key for key in LABEL_KEYS if key in content), None)
    if label_key is not None:
        raise ValueError(
            f"{path} has labels (under {label_key!r}), but unlabelled images are expected: measure on a labelled set "
            "by naming it in the study's `evaluate`, or leave the labels out of the file"
        )
    keys = [key for key in PIXEL_KEYS if key in content]
    if len(keys) != 1:
        raise ValueError(f"{path} must have one array under {', '.join(PIXEL_KEYS)}; it has {_key_list(content)}")
    return _from_array(content[keys[0]], content.get("ids"), data, path)


def _from_array(array: Any, ids: Any, data: DataRecipe, path: Path) -> Unlabelled:
    """Return the images of an array; without `ids` they are numbered from 0. Raises ValueError."""
    channels = data.shape.channels
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        kind = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
        raise ValueError(f"{path}: the images must be an array of uint8, 0 to 255, but are {kind}")
    pixels = _channels_last(array, channels)
    if pixels is None:
        raise ValueError(
            f"{path}: the images must be N x H x W x {channels}, N x {channels} x H x W or N rows of {channels} square "
            f"channels but the array is {_by(array.shape)}"
        )
    names = tuple(map(str, range(len(pixels)))) if ids is None else tuple(map(_id_text, ids))
    if len(names) != len(pixels):
        raise ValueError(f"{path} has {len(pixels)} images but {len(names)} ids")
    return Unlabelled(pixels, names, _required_fit(pixels.shape[1:3], data, str(path)))


def _channels_last(array: np.ndarray, channels: int) -> np.ndarray | None:
    """Return `array` as N x H x W x channels, or None where its shape is none of the accepted ones."""
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
    """Return the images of a flat folder. Raises ValueError."""
    listing = list_images(path, reading_of(data))
    files, notes = listing.images, tuple(filter(None, [_note(listing.unread, path)]))
    nested = next((file for file in files if file.parent != path), None)
    if nested is not None:
        raise ValueError(
            f"{path} has images in sub-folders ({nested.relative_to(path)}), as a labelled set has: measure on one by "
            "naming it in the study's `evaluate`, or put the images into one flat folder"
        )
    return _from_files(files, data, notes)


def _from_files(files: Sequence[Path], data: DataRecipe, notes: tuple[str, ...] = ()) -> Unlabelled:
    """Return the images of files. Raises ValueError."""
    square, fit = _square(files, data)
    pixels = decode_files(files, data.shape.channels, square, reading_of(data))
    return Unlabelled(pixels, tuple(file.stem for file in files), fit, notes)


def _square(files: Sequence[Path], data: DataRecipe) -> tuple[Square, Fit | None]:
    """Return the square that the images of files become, and the resize and crop left to do then."""
    # The training images of a folder were decoded from any size, so these are too.
    if data.name == "folder":
        return Square.stored(data), data.fit
    side = data.stored.size
    sizes = zip(files, image_sizes(files, reading_of(data)), strict=True)
    other = next(((file, size) for file, size in sizes if size != (side, side)), None)
    if other is None:
        return Square(side), data.fit
    # Without a resize the first image of another size is refused, with its name.
    if data.resize is None:
        file, size = other
        _required_fit(size[::-1], data, str(file))
    return Square.final(data), None


def _note(unread: Mapping[str, int], path: Path) -> str:
    return f"in {path}, {describe_unread(unread)}" if unread else ""


def _required_fit(size: tuple[int, ...], data: DataRecipe, subject: str) -> Fit | None:
    """Return the resize and crop from `size` (height, width) to the network's size; None where there is none to do.

    Raises ValueError, naming `subject`, where the recipe does not resize to it.
    """
    stored = data.stored.size
    if size == (stored, stored) and data.fit is not None:
        return data.fit
    if data.resize is None and size != (stored, stored):
        raise ValueError(
            f"{subject}: {_by(size)} pixels, but the network was trained on images of {stored} x {stored}: resize them "
            "to that, or train with data.resize"
        )
    resize = data.resize if data.resize is not None and size != (data.resize, data.resize) else None
    crop = data.center_crop if data.center_crop != data.resize else None
    return None if resize is None and crop is None else Fit(resize, crop)


def _id_text(value: Any) -> str:
    """Return an id of any kind as text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _by(shape: tuple[int, ...]) -> str:
    """Return a shape as "32 x 32"."""
    return " x ".join(map(str, shape))


def _key_list(content: Mapping[str, Any]) -> str:
    """Return the keys of a mapping as a list in words."""
    return ", ".join(map(str, content)) or "nothing"
