"""The hashes of test images that studies of a runs folder have, to count how many of them were opened before.

One file for each set of test images in a hidden folder, which any study with the same images shares.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np

from sweeps.io.files import write_atomic

FOLDER = ".test-images"  # no study can have this name, because names begin with a letter or a digit


def identity(exact: np.ndarray) -> str:
    """Return what identifies a set of images in any order, a SHA-256.

    Args:
        exact: The exact hashes of N images, shape (N, 2), uint64.
    """
    return hashlib.sha256(_sorted(exact).tobytes()).hexdigest()


def write_test_images(runs: Path, exact: np.ndarray) -> None:
    """Write the exact hashes of test images into the runs folder, unless they are there."""
    path = test_images_file(runs, identity(exact))
    if read_test_images(runs, identity(exact)) is None:
        path.parent.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, _sorted(exact), allow_pickle=False)
        write_atomic(path, buffer.getvalue())


def read_test_images(runs: Path, images: str) -> np.ndarray | None:
    """Return the exact hashes of the test images with this identity, shape (N,), in ascending order.

    Returns:
        Numbers of 16 bytes, for comparison only. None where the file is missing or damaged.
    """
    try:
        stored = np.load(test_images_file(runs, images), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = stored.dtype == _PAIR and hashlib.sha256(stored.tobytes()).hexdigest() == images
    return stored if whole else None


def test_images_file(runs: Path, images: str) -> Path:
    """Return the file with the hashes of the test images with this identity. It need not exist."""
    return runs / FOLDER / f"{images}.npy"


def opened_before(own: np.ndarray, other: np.ndarray) -> int:
    """Return how many images of a set are in another one, both as `read_test_images` returns them."""
    places = np.minimum(np.searchsorted(other, own), max(0, len(other) - 1))
    return int((other[places] == own).sum()) if len(other) else 0


_PAIR = np.dtype([("high", "<u8"), ("low", "<u8")])


def _sorted(exact: np.ndarray) -> np.ndarray:
    return np.sort(np.ascontiguousarray(exact, dtype="<u8").reshape(-1, 2).view(_PAIR).reshape(-1))
