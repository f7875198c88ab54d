"""Images that look alike: pairs whose perceptual hashes differ in few bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sweeps.duplicates.exact import originals, sorted_pairs
from sweeps.duplicates.hashes import ImageHashes

MOST = 16  # candidates of one image in large sets
_ENOUGH = 500_000  # candidates in all; each image of a small set may have more than `MOST`
_BLOCK = 2**19  # distances that are computed at a time: they fit into a core's cache


@dataclass(frozen=True)
class Candidates:
    """Pairs of images that may be near duplicates.

    Attributes:
        pairs: Number in the first part, number in the second: shape (M, 2), int64, in ascending order.
        limited: How many images of the first part look like more than `most` images to the hash, such as blank ones:
            only their `most` nearest are among the pairs.
    """

    pairs: np.ndarray
    limited: int = 0


def near_candidates(first: ImageHashes, second: ImageHashes | None = None, most: int | None = None) -> Candidates:
    """Return the pairs of different images of two parts, or of one, whose perceptual hashes differ in few bits.

    An image is compared with another and with its mirror image. Of equal images only the first takes part, and equal
    pairs are left out: `exact_pairs` has them. Every pair is compared, a block at a time: 50,000 with 10,000 images
    take a second on one core, 50,000 with each other about three; memory grows with the number of candidates only.

    Args:
        first: The hashes of the first part.
        second: Those of the second; None for the pairs within the first, where the earlier image of a pair comes first.
        most: The largest number of candidates of an image of the first part; by default 16, or as many as give half a
            million in all if that is more.
    """
    other = second or first
    near = min(first.near, other.near)
    rows, columns = _different(first), _different(other)
    hashes, target = first.perceptual[rows], np.ascontiguousarray(other.perceptual[columns, 0])
    most = max(MOST, _ENOUGH // max(1, len(rows))) if most is None else most
    step = max(1, _BLOCK // max(1, len(columns)))
    found, limited = [np.empty((0, 2), dtype=np.int64)], 0
    for start in range(0, len(rows), step):
        from_column = start if second is None else 0
        distance = _distances(hashes[start : start + step], target[from_column:])
        if second is None:  # a pair once, and no image with itself
            distance[np.tri(*distance.shape, dtype=np.bool_)] = near + 1
        alike = distance <= near
        for many in np.flatnonzero(np.bincount(np.flatnonzero(alike) // alike.shape[1]) > most):
            nearest = np.argsort(distance[many], kind="stable")[:most]
            alike[many] = False
            alike[many, nearest] = True
            limited += 1
        row, column = np.divmod(np.flatnonzero(alike), alike.shape[1])
        found.append(np.stack([rows[start + row], columns[from_column + column]], axis=1))
    pairs = np.concatenate(found)
    pairs = pairs[(first.exact[pairs[:, 0]] != other.exact[pairs[:, 1]]).any(axis=1)]
    return Candidates(sorted_pairs(pairs[:, 0], pairs[:, 1]), limited)


def _different(hashes: ImageHashes) -> np.ndarray:
    """The numbers of the images that equal no earlier one."""
    return np.flatnonzero(originals(hashes.exact) == np.arange(len(hashes)))


def _distances(hashes: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The number of different bits of B images, or their mirror images, and M others: shape (B, M), uint8."""
    distance: np.ndarray = np.minimum(*(_bits(hashes[:, side, None] ^ target[None]) for side in (0, 1)))
    return distance


def _bits(values: np.ndarray) -> np.ndarray:
    """The number of bits that are set in each value, uint8."""
    if hasattr(np, "bitwise_count"):  # from numpy 2 on
        return np.asarray(np.bitwise_count(values))
    pairs, nibbles = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
    values = values - ((values >> np.uint64(1)) & pairs)
    values = (values & nibbles) + ((values >> np.uint64(2)) & nibbles)
    values = (values + (values >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return ((values * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.uint8)
