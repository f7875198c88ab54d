"""The file of a study's folder with all pairs of duplicate images that were found before its first trial."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from sweeps.artifacts.layout import DUPLICATES
from sweeps.artifacts.record import BadRecord, read_sealed, write_sealed
from sweeps.duplicates.search import TEST, TRAINING, Shared, images_in


def write_pairs(folder: Path, digest: str, found: Iterable[Shared]) -> None:
    """Write all pairs.

    Args:
        folder: The study's folder.
        digest: That of the hashes that were compared.
        found: What was found.
    """
    pairs = [
        {"first": each.first, "second": each.second, "exact": each.exact.tolist(), "near": each.near.tolist()}
        for each in found
    ]
    write_sealed(folder / DUPLICATES, {"digest": digest, "pairs": pairs})


def leaked_test_images(folder: Path, digest: str) -> np.ndarray | None:
    """Return the numbers of the test images that are training images too, shape (M,), ascending.

    Args:
        folder: The study's folder.
        digest: That of the hashes that were compared, as the provenance has it.

    Returns:
        None where the file is missing, damaged, or that of other images.
    """
    try:
        content = read_sealed(folder / DUPLICATES)
    except BadRecord:
        return None
    if content.get("digest") != digest:
        return None
    leaks = [each for each in content["pairs"] if each["first"] in TRAINING and each["second"] == TEST]
    return images_in([_pairs(each[kind]) for each in leaks for kind in ("exact", "near")], 1)


def _pairs(values: Sequence[Sequence[int]]) -> np.ndarray:
    return np.array(values, dtype=np.int64).reshape(-1, 2)
