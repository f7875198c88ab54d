"""Decoded images on disk, memory-mapped: the workers of one machine share one copy."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np

from cifar_sweep.data.formats import Images, Part, read_images, source_files
from cifar_sweep.data.formats.decode import fit_pixels
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import Fit

FOLDER = ".decoded"
ENLARGED_LIMIT_BYTES = 4 * 2**30  # of one part of the data; CIFAR's training images take 1.8 GB at 96 pixels, 10 at 224
BLOCK = 1000  # images that are brought to their size at a time


def load_images(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    """One part of the data, its pixels memory-mapped from the cache where the data folder can be written.

    They are at the size that the network sees, unless they would be enlarged beyond ENLARGED_LIMIT_BYTES: then they
    are at their stored size, and `fit` says what is left to do with each batch. Three-channel pixels have a fourth,
    empty byte (N, size, size, 4), so that a pixel is one 32-bit word. Raises as `read_images` does.
    """
    folder = data_dir / FOLDER / f"{data.name}-{part}-{_state(data, data_dir, part)}"
    if not folder.exists():
        images = read_images(data, data_dir, part)
        try:
            _write(images, fit_now(data, len(images)), folder)
        except OSError:  # a read-only or full data folder: every worker decodes for itself
            return _in_memory(images, data)
    labels = np.load(folder / "labels.npy")
    # Copy-on-write: torch wants a writable array, and nothing is ever written.
    return Images(np.load(folder / "pixels.npy", mmap_mode="c"), labels, fit_later(data, len(labels)))


def fit_now(data: DataRecipe, count: int) -> Fit | None:
    """What is done with each of `count` stored images when they are decoded."""
    return None if fit_later(data, count) else data.fit


def fit_later(data: DataRecipe, count: int) -> Fit | None:
    """What is left to do with each of `count` images whenever it is used."""
    stored, shape = data.stored, data.shape
    enlarged_bytes = count * shape.size**2 * (4 if shape.channels == 3 else 1)
    return data.fit if shape.size > stored.size and enlarged_bytes > ENLARGED_LIMIT_BYTES else None


def _blocks(pixels: np.ndarray, fit: Fit | None) -> Iterator[np.ndarray]:
    for start in range(0, len(pixels), BLOCK):
        block = pixels[start : start + BLOCK]
        block = block if fit is None else fit_pixels(block, fit)
        yield np.pad(block, ((0, 0), (0, 0), (0, 0), (0, 1))) if block.shape[-1] == 3 else block


def _in_memory(images: Images, data: DataRecipe) -> Images:
    count = len(images)
    pixels = np.concatenate(list(_blocks(images.pixels, fit_now(data, count))))
    return Images(pixels, images.labels.astype(np.int64), fit_later(data, count))


def _state(data: DataRecipe, data_dir: Path, part: Part) -> str:
    """A hash that changes with the files, the way they are decoded and the libraries that do it or bring the digits."""
    library = {"digits": "scikit-learn", "folder": "pillow"}.get(data.name)
    facts: list[object] = [data.stored, data.subset, data.resize, data.center_crop, version(library) if library else ""]
    facts += [version("pillow"), ENLARGED_LIMIT_BYTES] if data.fit else []
    for file in source_files(data, data_dir, part):
        stat = file.stat()
        facts.append((str(file), stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _write(images: Images, fit: Fit | None, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))
    try:
        _save(partial / "pixels.npy", len(images), _blocks(images.pixels, fit))
        _save(partial / "labels.npy", len(images), iter([images.labels.astype(np.int64)]))
        partial.chmod(0o755)
        if not folder.exists():
            partial.rename(folder)
    except OSError:
        if not folder.exists():  # otherwise another worker was faster, with the same content
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _save(path: Path, count: int, blocks: Iterator[np.ndarray]) -> None:
    """One array of `count` rows, block by block: the whole need not fit into memory. A full disk raises OSError."""
    with path.open("wb") as file:
        for number, block in enumerate(blocks):
            if number == 0:
                descr, shape = np.lib.format.dtype_to_descr(block.dtype), (count, *block.shape[1:])
                header = {"descr": descr, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(block).data)
        file.flush()
        os.fsync(file.fileno())
