"""Results about images, stored beside the decoded images: computed once per data set and machine."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from cifar_sweep.data.temporary import temporary_folder

Arrays = Mapping[str, np.ndarray]
VERSION = 1  # of all that is stored; another one is computed anew
_BROKEN = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)
_UNWRITTEN: dict[Path, Arrays] = {}  # what a read-only or full data folder could not take


def stored(path: Path, kind: str, compute: Callable[[], Arrays]) -> Arrays:
    """Return the arrays stored for a set of images, after computing and storing them where there are none.

    Args:
        path: The place of the decoded images; the arrays are stored beside it.
        kind: What the arrays are.
        compute: Returns the arrays.
    """
    file = path.with_name(f"{path.name}.{kind}-{VERSION}.npz")
    if file in _UNWRITTEN:
        return _UNWRITTEN[file]
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except _BROKEN:  # absent, or damaged
        arrays = compute()
    try:
        _write(file, arrays)
    except OSError:
        _UNWRITTEN[file] = arrays
    return arrays


def _write(file: Path, arrays: Arrays) -> None:
    """Write the file, which other processes see whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(file.parent, ".partial-") as partial:
        np.savez(partial / file.name, allow_pickle=False, **arrays)
        (partial / file.name).chmod(0o644)
        (partial / file.name).replace(file)
