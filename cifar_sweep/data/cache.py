"""A cache of decoded images on disk, memory-mapped: all workers of a machine share one copy."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np

from cifar_sweep.data.formats import Images, Part, read_images, source_files
from cifar_sweep.data.formats.decode import fit_pixels
from cifar_sweep.data.temporary import temporary_folder
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import Fit

FOLDER = ".decoded"
# Of one part of the data; CIFAR's training images take 1.8 GB at 96 pixels, 10 GB at 224.
ENLARGED_LIMIT_BYTES = 4 * 2**30
BLOCK = 1000  # images that are resized at a time, so that only these need memory at both sizes


def load_images(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    """Return one part of the data, memory-mapped from the cache where the data folder can be written to.

    The images have the size that the network sees, unless enlarging them would take more than ENLARGED_LIMIT_BYTES:
    then they have their stored size, and `fit` is the resize and crop left to do with each batch.

    Returns:
        Pixels (N, size, size, 1 or 4) uint8 and labels (N,) int64. Pixels of three channels have a fourth, empty byte,
        so that a pixel is one 32-bit word.

    Raises:
        Unavailable: The data is absent.
        ValueError: The data is not as described.
    """
    folder = cache_folder(data, data_dir, part)
    if not folder.exists():
        images = read_images(data, data_dir, part)
        try:
            _write(images, fit_now(data, len(images)), folder)
        except OSError:  # a read-only or full data folder: every worker decodes for itself
            return _in_memory(images, data)
    labels = np.load(folder / "labels.npy")
    # Copy-on-write, because torch warns of arrays that are not writable; nothing is ever written.
    return Images(np.load(folder / "pixels.npy", mmap_mode="c"), labels, fit_later(data, len(labels)))


def cache_folder(data: DataRecipe, data_dir: Path, part: Part) -> Path:
    """Return the place of the decoded images of a part; images from other files, or of another size, have another one.

    Raises:
        Unavailable: The data is absent.
        ValueError: A folder cannot be read.
    """
    return data_dir / FOLDER / f"{data.name}-{part}-{_cache_key(data, data_dir, part)}"


def fit_now(data: DataRecipe, count: int) -> Fit | None:
    """Return the resize and crop done with each of `count` stored images when they are decoded."""
    return None if fit_later(data, count) else data.fit


def fit_later(data: DataRecipe, count: int) -> Fit | None:
    """Return the resize and crop left to do with each batch, for a set of `count` images."""
    stored, shape = data.stored, data.shape
    enlarged_bytes = count * shape.size**2 * (4 if shape.channels == 3 else 1)
    return data.fit if shape.size > stored.size and enlarged_bytes > ENLARGED_LIMIT_BYTES else None


def _blocks(pixels: np.ndarray, fit: Fit | None) -> Iterator[np.ndarray]:
    """Yield the images as they are cached: resized, and three channels padded to four bytes."""
    for start in range(0, len(pixels), BLOCK):
        block = pixels[start : start + BLOCK]
        block = block if fit is None else fit_pixels(block, fit)
        yield np.pad(block, ((0, 0), (0, 0), (0, 0), (0, 1))) if block.shape[-1] == 3 else block


def _in_memory(images: Images, data: DataRecipe) -> Images:
    """Return the same images as the cache, without the disk."""
    count = len(images)
    pixels = np.concatenate(list(_blocks(images.pixels, fit_now(data, count))))
    return Images(pixels, images.labels.astype(np.int64), fit_later(data, count))


def _cache_key(data: DataRecipe, data_dir: Path, part: Part) -> str:
    """Return a hash of everything that the cached pixels depend on.

    These are the files, how they are decoded, and the version of the library that decodes them or provides the digits.
    """
    library = {"digits": "scikit-learn", "folder": "pillow"}.get(data.name)
    facts: list[object] = [data.stored, data.subset, data.resize, data.center_crop, version(library) if library else ""]
    facts += [version("pillow"), ENLARGED_LIMIT_BYTES] if data.fit else []
    facts += [f"reading {data.reading_version}"] if data.name == "folder" else []
    # Size and time of change stand for the content: a hash of it would mean reading all files at every start.
    for file in source_files(data, data_dir, part):
        stat = file.stat()
        facts.append((str(file), stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _write(images: Images, fit: Fit | None, folder: Path) -> None:
    """Write the cached images to `folder`, which other processes see whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder.parent, ".partial-") as partial:
        try:
            _save_array(partial / "pixels.npy", len(images), _blocks(images.pixels, fit))
            _save_array(partial / "labels.npy", len(images), iter([images.labels.astype(np.int64)]))
            partial.chmod(0o755)  # mkdtemp makes folders that other users cannot read
            if not folder.exists():
                partial.rename(folder)
        except OSError:
            if not folder.exists():  # otherwise another worker was faster, with the same content
                raise


def _save_array(path: Path, count: int, blocks: Iterator[np.ndarray]) -> None:
    """Write an array of `count` rows as .npy, block by block: it need not fit into memory.

    Written as a file, not through a memory map: a full disk then raises OSError and does not kill the process (SIGBUS).
    """
    with path.open("wb") as file:
        for number, block in enumerate(blocks):
            if number == 0:
                descr, shape = np.lib.format.dtype_to_descr(block.dtype), (count, *block.shape[1:])
                header = {"descr": descr, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(block).data)
        file.flush()
        os.fsync(file.fileno())
