"""Decoded images on disk, memory-mapped: the workers of one machine share one copy."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from cifar_sweep.formats import Images, Part, read_images, source_files
from cifar_sweep.recipe import DataRecipe

FOLDER = ".decoded"


def load_images(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    """One part of the data, its pixels memory-mapped from the cache where the data folder can be written.

    Three-channel pixels have a fourth, empty byte (N, size, size, 4), so that a pixel is one 32-bit word. Raises as
    `read_images` does.
    """
    folder = data_dir / FOLDER / f"{data.name}-{part}-{_state(data, data_dir, part)}"
    if not folder.exists():
        images = _padded(read_images(data, data_dir, part))
        try:
            _write(images, folder)
        except OSError:  # a read-only or full data folder: every worker decodes for itself
            return images
    # Copy-on-write: torch wants a writable array, and nothing is ever written.
    return Images(np.load(folder / "pixels.npy", mmap_mode="c"), np.load(folder / "labels.npy"))


def _padded(images: Images) -> Images:
    pixels, labels = images.pixels, images.labels.astype(np.int64)
    if pixels.shape[-1] == 3:
        pixels = np.pad(pixels, ((0, 0), (0, 0), (0, 0), (0, 1)))
    return Images(np.ascontiguousarray(pixels), labels)


def _state(data: DataRecipe, data_dir: Path, part: Part) -> str:
    """A hash that changes with the files, the way they are decoded and the library that brings the digits."""
    facts: list[object] = [data.shape, version("scikit-learn") if data.name == "digits" else ""]
    for file in source_files(data, data_dir, part):
        stat = file.stat()
        facts.append((str(file), stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _write(images: Images, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))
    try:
        for name, array in (("pixels", images.pixels), ("labels", images.labels)):
            with (partial / f"{name}.npy").open("wb") as file:
                np.save(file, array)
                file.flush()
                os.fsync(file.fileno())
        partial.chmod(0o755)
        if not folder.exists():
            partial.rename(folder)
    except OSError:
        if not folder.exists():  # otherwise another worker was faster, with the same content
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
