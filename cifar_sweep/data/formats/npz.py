"""An .npz file with x_train, y_train, x_test, y_test and, optionally, class_names."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from cifar_sweep.data.formats.images import Format, Images, Part, configured_path
from cifar_sweep.recipe import DataRecipe


def read_arrays(path: Path, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Return arrays of an .npz file; the others in it are not read.

    Args:
        path: The file.
        names: The arrays to return, as far as the file has them; None: all of them.

    Raises:
        ValueError: The file is no .npz of arrays of plain values, or would not fit into memory; the message names it.
    """
    # numpy takes anything else for a pickle and advises to allow it.
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no .npz")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            present = [name for name in arrays.files if names is None or name in names]
            _require_memory(arrays.zip, present)
            return {name: arrays[name] for name in present}
    except (ValueError, OSError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is no .npz of plain arrays: {error}") from error


def _require_memory(archive: zipfile.ZipFile, names: Sequence[str]) -> None:
    """Raise ValueError where the unpacked arrays would not fit: a few bytes of an archive may stand for gigabytes."""
    size = sum(member.file_size for member in archive.infolist() if member.filename.removesuffix(".npy") in names)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory:
        raise ValueError(f"unpacked it takes {size / 2**30:.1f} GiB, but this machine has {memory / 2**30:.1f} GiB")


def _array_names(path: Path) -> list[str]:
    """Return the names of all arrays in an .npz file."""
    with np.load(path, allow_pickle=False) as arrays:
        return list(arrays.files)


def _files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    return [configured_path(data, data_dir)]


def _read(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    path, names = configured_path(data, data_dir), (f"x_{part}", f"y_{part}")
    arrays = read_arrays(path, names)
    absent = [name for name in names if name not in arrays]
    if absent:
        raise ValueError(f"{path} has no array {absent[0]!r}; it has {', '.join(_array_names(path))}")
    pixels, labels = (arrays[name] for name in names)
    return Images(pixels[..., None] if pixels.ndim == 3 else pixels, labels.reshape(-1))


def _class_names(data: DataRecipe, data_dir: Path, part: Part) -> tuple[str, ...]:
    path = configured_path(data, data_dir)
    names = read_arrays(path, ["class_names"]).get("class_names", ()) if path.exists() else ()
    return tuple(map(str, names))


NPZ = Format(_files, _read, _class_names, "an .npz with x_train, y_train, x_test, y_test there")
