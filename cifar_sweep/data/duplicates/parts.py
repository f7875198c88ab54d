"""The parts of a study's data that have images of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cifar_sweep.data.cache import FOLDER, cache_folder, load_images
from cifar_sweep.data.duplicates.hashes import hash_images
from cifar_sweep.data.duplicates.store import stored
from cifar_sweep.data.evaluation_sets import labelled_sets
from cifar_sweep.data.formats import Images, check_part
from cifar_sweep.data.unlabelled import load_unlabelled
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.schema import below
from sweeps.workload import ImageHashes, Unavailable

TRAIN: Literal["train"] = "train"
TEST: Literal["test"] = "test"
UNLABELLED = "unlabelled"


@dataclass(frozen=True)
class Part:
    """A set of images, which are read when they are needed.

    Attributes:
        path: The place that what is found about the images is stored beside; another set has another one.
        channels: Number of channels of the images.
        load: Reads the images.
    """

    path: Path
    channels: int
    load: Callable[[], Images]

    @cached_property
    def images(self) -> Images:
        """The images, read once."""
        return self.load()

    @cached_property
    def hashes(self) -> ImageHashes:
        """The hashes of the images; where they are stored, the images are not read."""

        def compute() -> dict[str, np.ndarray]:
            hashes = hash_images(self.images, self.channels)
            return {"exact": hashes.exact, "perceptual": hashes.perceptual, "near": np.array(hashes.near)}

        arrays = stored(self.path, "hashes", compute)
        return ImageHashes(arrays["exact"], arrays["perceptual"], int(arrays["near"]))


def parts_of(data: DataRecipe, data_dir: Path, entries: Iterable[Any] = ()) -> dict[str, Part]:
    """Return the parts of the data by their names. No pixel is read.

    Args:
        data: The data of the recipe.
        data_dir: The folder of the data.
        entries: The entries of the study's `evaluate`. Corruptions of the test set are no further images.

    Returns:
        "train", "test", "unlabelled" and the further labelled sets, as far as they are there and as described: without
        a stage final nothing else asks for the test set.
    """
    parts: dict[str, Part] = {TRAIN: _labelled(data, data_dir, TRAIN)}
    if _is_there(data, data_dir):
        parts[TEST] = _labelled(data, data_dir, TEST)
    if data.unlabelled is not None and data.unlabelled.path is not None:
        parts[UNLABELLED] = _unlabelled(data, data_dir)
    for labelled in labelled_sets(data, entries):
        if isinstance(labelled.source, DataRecipe) and _is_there(labelled.source, data_dir):
            parts[labelled.name] = _labelled(labelled.source, data_dir, TEST)
    return parts


def _is_there(data: DataRecipe, data_dir: Path) -> bool:
    try:
        check_part(data, data_dir, TEST)
    except (Unavailable, ValueError):
        return False
    return True


def _labelled(data: DataRecipe, data_dir: Path, part: Literal["train", "test"]) -> Part:
    path = cache_folder(data, data_dir, part)
    return Part(path, data.shape.channels, lambda: load_images(data, data_dir, part))


def _unlabelled(data: DataRecipe, data_dir: Path) -> Part:
    """Return the collection of `data.unlabelled.path`, as it is put beside the training images."""

    def load() -> Images:
        collection = load_unlabelled(data, data_dir, load_images(data, data_dir, TRAIN))
        return Images(collection.pixels, np.zeros(len(collection), np.int64), collection.fit)

    assert data.unlabelled is not None
    source = below(data_dir, str(data.unlabelled.path))
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    # One that is absent is told when it is read.
    stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists()]
    facts = [stats, data.stored, data.resize, data.center_crop, data.reading_version, data.name == "folder"]
    key = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    return Part(data_dir / FOLDER / f"unlabelled-{key}", data.shape.channels, load)
