"""An .npz of one's own: x_train, y_train, x_test, y_test and, if wanted, class_names."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from cifar_sweep.data.formats.images import Format, Images, Part, own_path
from cifar_sweep.recipe import DataRecipe


def read_arrays(path: Path, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Those of the arrays `names` that the .npz at `path` has, all of them for None; the others are not opened.

    Raises ValueError, naming the file, for anything but an .npz of arrays of plain values.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no .npz")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            wanted = [name for name in arrays.files if names is None or name in names]
            _require_memory(arrays.zip, wanted)
            return {name: arrays[name] for name in wanted}
    except (ValueError, OSError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is no .npz of plain arrays: {error}") from error


def _require_memory(archive: zipfile.ZipFile, names: Sequence[str]) -> None:
    """Raise ValueError where the arrays, unpacked, would not fit: a few bytes of an archive may stand for gigabytes."""
    size = sum(member.file_size for member in archive.infolist() if member.filename.removesuffix(".npy") in names)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory:
        raise ValueError(f"unpacked it takes {size / 2**30:.1f} GiB, but this machine has {memory / 2**30:.1f} GiB")


def _array_names(path: Path) -> list[str]:
    with np.load(path, allow_pickle=False) as arrays:
        return list(arrays.files)


def _files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    return [own_path(data, data_dir)]


def _read(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    path, wanted = own_path(data, data_dir), (f"x_{part}", f"y_{part}")
    arrays = read_arrays(path, wanted)
    absent = [name for name in wanted if name not in arrays]
    if absent:
        raise ValueError(f"{path} has no array {absent[0]!r}; it has {', '.join(_array_names(path))}")
    pixels, labels = (arrays[name] for name in wanted)
    return Images(pixels[..., None] if pixels.ndim == 3 else pixels, labels.reshape(-1))


def _class_names(data: DataRecipe, data_dir: Path, part: Part) -> tuple[str, ...]:
    path = own_path(data, data_dir)
    names = read_arrays(path, ["class_names"]).get("class_names", ()) if path.exists() else ()
    return tuple(map(str, names))


NPZ = Format(_files, _read, _class_names, "an .npz with x_train, y_train, x_test, y_test there")
