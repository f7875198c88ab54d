"""An .npz of one's own: x_train, y_train, x_test, y_test and, if wanted, class_names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cifar_sweep.formats.images import Format, Images, Part, own_path
from cifar_sweep.recipe import DataRecipe


def _files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    return [own_path(data, data_dir)]


def _read(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    path = own_path(data, data_dir)
    # An npz is a zip: only the arrays asked for are read from it.
    with np.load(path, allow_pickle=False) as arrays:
        absent = [name for name in (f"x_{part}", f"y_{part}") if name not in arrays]
        if absent:
            raise ValueError(f"{path} has no array {absent[0]!r}; it has {', '.join(arrays.files)}")
        pixels, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
    return Images(pixels[..., None] if pixels.ndim == 3 else pixels, labels.reshape(-1))


def _class_names(data: DataRecipe, data_dir: Path, part: Part) -> tuple[str, ...]:
    path = own_path(data, data_dir)
    if not path.exists():
        return ()
    with np.load(path, allow_pickle=False) as arrays:
        return tuple(map(str, arrays["class_names"])) if "class_names" in arrays else ()


NPZ = Format(_files, _read, _class_names, "an .npz with x_train, y_train, x_test, y_test there")
