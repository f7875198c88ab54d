"""What a split must know of duplicates: which training images belong together, and which are left out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cifar_sweep.data.duplicates.near import bar_of, near_duplicates
from cifar_sweep.data.duplicates.parts import TEST, TRAIN, UNLABELLED, Part, parts_of
from cifar_sweep.data.duplicates.store import stored
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import ImageHashes, Unavailable, exact_pairs, groups, near_candidates, with_copies


@dataclass(frozen=True)
class Duplicates:
    """The duplicates of a run's training images.

    Attributes:
        group: (N,) int64, the lowest number of the images of which an image is a duplicate; its own where it is none.
        dropped: Numbers of the training images that are left out, ascending.
        dropped_unlabelled: Those of the images of `data.unlabelled.path` that are left out, ascending.
    """

    group: np.ndarray
    dropped: np.ndarray
    dropped_unlabelled: np.ndarray


def image_hashes(data: DataRecipe, entries: tuple[Any, ...], data_dir: Path) -> dict[str, ImageHashes]:
    """Return the hashes of the images of each part. Test images are read for them; nothing else of them leaves.

    Raises:
        Unavailable: The training images are missing.
        ValueError: Images cannot be read.
    """
    return {name: part.hashes for name, part in parts_of(data, data_dir, entries).items()}


def confirm_duplicates(
    data: DataRecipe, entries: tuple[Any, ...], data_dir: Path, pairs: Mapping[tuple[str, str], np.ndarray]
) -> dict[tuple[str, str], np.ndarray]:
    """Return which pairs of images, by the names of their parts, are near duplicates, (M,) bool each."""
    parts = parts_of(data, data_dir, entries)
    return {
        (first, second): _confirmed(parts[first], parts[second], candidates, parts[TRAIN])
        for (first, second), candidates in pairs.items()
    }


def duplicates_of(data: DataRecipe, data_dir: Path) -> Duplicates | None:
    """Return the duplicates that the splits of the data keep together or leave out.

    They are computed where they are not stored, and then are the same on every machine. With `data.duplicates: drop`
    that reads test images, of which nothing but the numbers of their duplicates leaves this function.

    Returns:
        None where the study does not look for duplicates.

    Raises:
        Unavailable: Images are missing; with `drop`, also those of the test part.
        ValueError: Images cannot be read.
    """
    if data.duplicates is None:
        return None
    parts = parts_of(data, data_dir)
    train, nothing = parts[TRAIN], np.empty(0, np.int64)

    def compute() -> dict[str, np.ndarray]:
        return {"group": groups(len(train.hashes), _shared(train, None, train))}

    group = stored(train.path, "groups", compute)["group"]
    if data.duplicates != "drop":
        return Duplicates(group, nothing, nothing)
    if TEST not in parts:
        raise Unavailable(
            "data.duplicates is drop, but there is no test part to compare with: add it, or set data.duplicates to keep"
        )
    unlabelled = _copies(parts[UNLABELLED], parts[TEST], train) if UNLABELLED in parts else nothing
    return Duplicates(group, _copies(train, parts[TEST], train), unlabelled)


def _copies(part: Part, test: Part, train: Part) -> np.ndarray:
    """Return the numbers of the images of a part that are duplicates of test images, ascending."""

    def compute() -> dict[str, np.ndarray]:
        return {"copies": np.unique(_shared(part, test, train)[:, 0])}

    return stored(part.path, f"copies-{_name(test.path.name)}", compute)["copies"]


def _shared(first: Part, second: Part | None, train: Part) -> np.ndarray:
    """Return the pairs of duplicates, equal and near ones, of two parts or within one, (P, 2) int64."""
    others = None if second is None else second.hashes
    candidates = near_candidates(first.hashes, others).pairs
    near = candidates[_confirmed(first, second or first, candidates, train)]
    return np.concatenate([exact_pairs(first.hashes, others), with_copies(near, first.hashes, others)])


def _confirmed(first: Part, second: Part, pairs: np.ndarray, train: Part) -> np.ndarray:
    """Return which pairs are near duplicates, (M,) bool. The engine and the splits ask for the same ones."""

    def compute() -> dict[str, np.ndarray]:
        bar = bar_of(train.images, train.channels)
        return {"near": near_duplicates(first.images, second.images, pairs, train.channels, bar)}

    if not len(pairs):
        return np.zeros(0, dtype=bool)
    asked = hashlib.sha256(np.ascontiguousarray(pairs, "<i8").tobytes()).hexdigest()
    kind = f"near-{_name(second.path.name, train.path.name, asked)}"
    return stored(first.path, kind, compute)["near"]


def _name(*facts: str) -> str:
    """Return a short name for what a stored result depends on besides the images it is stored beside."""
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
