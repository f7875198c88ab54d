"""An .npz file with x_train, y_train, x_test, y_test and, optionally, class_names."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Sequence
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil  # type: ignore[import-untyped]

from cifar_sweep.data.formats.images import Format, Images, Part, blank, configured_path
from cifar_sweep.recipe import DataRecipe

BROKEN = (ValueError, OSError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Return arrays of an .npz file; the others in it are not read.

    Args:
        path: The file.
        names: The arrays to return, as far as the file has them; None: all of them.

    Raises:
        ValueError: The file is no .npz of arrays of plain values, or would not fit into memory; the message names it.
    """
    _require_archive(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            present = [name for name in arrays.files if names is None or name in names]
            _require_memory(arrays.zip, present)
            return {name: arrays[name] for name in present}
    except BROKEN as error:
        raise ValueError(f"{path} is no .npz of plain arrays: {error}") from error


def read_blank(path: Path, name: str) -> np.ndarray:
    """Return zeros of the shape and type of an array of an .npz file, from its header: no value of it is read.

    Raises:
        ValueError: The file is no .npz, or the array is not of plain values or not whole; the message names the file.
    """
    _require_archive(path)
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(name if name in archive.namelist() else f"{name}.npy")
            with archive.open(member) as file:
                shape, dtype = _read_header(file)
                size = file.tell() + prod(shape) * dtype.itemsize
    except BROKEN as error:
        raise ValueError(f"{path} is no .npz of plain arrays: {name}: {error}") from error
    if dtype.hasobject or size != member.file_size:
        raise ValueError(
            f"{path} is no .npz of plain arrays: {name} has {member.file_size} bytes, but {shape} {dtype} takes {size}"
        )
    return blank(shape, dtype)


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of the .npy array at the start of `file`. Raises ValueError."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _require_archive(path: Path) -> None:
    """Raise ValueError unless the file is a zip: numpy takes anything else for a pickle and advises to allow it."""
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no .npz")


def _require_memory(archive: zipfile.ZipFile, names: Sequence[str]) -> None:
    """Raise ValueError where the unpacked arrays would not fit: a few bytes of an archive may stand for gigabytes."""
    size = sum(member.file_size for member in archive.infolist() if member.filename.removesuffix(".npy") in names)
    memory = psutil.virtual_memory().total
    if size > memory:
        raise ValueError(f"unpacked it takes {size / 2**30:.1f} GiB, but this machine has {memory / 2**30:.1f} GiB")


def _array_names(path: Path) -> list[str]:
    """Return the names of all arrays in an .npz file."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return list(arrays.files)
    except BROKEN as error:
        raise ValueError(f"{path} is no .npz of plain arrays: {error}") from error


def _files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    return [configured_path(data, data_dir)]


def _read(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    path, names = _require_arrays(data, data_dir, part)
    arrays = read_arrays(path, names)
    return _images(*(arrays[name] for name in names))


def _outline(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    path, (pixels, labels) = _require_arrays(data, data_dir, part)
    return _images(read_blank(path, pixels), read_arrays(path, [labels])[labels])


def _require_arrays(data: DataRecipe, data_dir: Path, part: Part) -> tuple[Path, tuple[str, str]]:
    """Return the file and the names of a part's arrays in it. Raises ValueError where the file lacks one of them."""
    path, names = configured_path(data, data_dir), (f"x_{part}", f"y_{part}")
    _require_archive(path)
    present = _array_names(path)
    absent = [name for name in names if name not in present]
    if absent:
        raise ValueError(f"{path} has no array {absent[0]!r}; it has {', '.join(present)}")
    return path, names


def _images(pixels: np.ndarray, labels: np.ndarray) -> Images:
    return Images(pixels[..., None] if pixels.ndim == 3 else pixels, labels.reshape(-1))


def _class_names(data: DataRecipe, data_dir: Path, part: Part) -> tuple[str, ...]:
    path = configured_path(data, data_dir)
    names = read_arrays(path, ["class_names"]).get("class_names", ()) if path.exists() else ()
    return tuple(map(str, names))


NPZ = Format(_files, _read, _outline, _class_names, "an .npz with x_train, y_train, x_test, y_test there")
