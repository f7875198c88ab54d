"""Equal images: those with equal exact hashes."""

from __future__ import annotations

import numpy as np

from sweeps.duplicates.hashes import ImageHashes


def originals(exact: np.ndarray) -> np.ndarray:
    """Return for each image the number of the first image that equals it: its own number where none comes before.

    Args:
        exact: The exact hashes of N images, shape (N, 2), uint64.

    Returns:
        Shape (N,), int64.
    """
    order = np.lexsort((exact[:, 1], exact[:, 0]))  # stable: of equal images the first comes first
    ordered = exact[order]
    begins = np.ones(len(exact), dtype=bool)
    begins[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    result = np.empty(len(exact), dtype=np.int64)
    result[order] = order[np.maximum.accumulate(np.where(begins, np.arange(len(exact)), 0))]
    return result


def exact_pairs(first: ImageHashes, second: ImageHashes | None = None) -> np.ndarray:
    """Return pairs of equal images of two parts, or of one.

    Of many equal images not all pairs are returned, whose number is the product of their numbers, but as many as it
    takes to name every image that has an equal one: each is paired with the first that equals it.

    Args:
        first: The hashes of the first part.
        second: Those of the second; None for the pairs within the first, where the earlier image of a pair comes first.

    Returns:
        Number in the first part, number in the second: shape (P, 2), int64, in ascending order.
    """
    if second is None:
        result = originals(first.exact)
        repeated = np.flatnonzero(result != np.arange(len(result)))
        return sorted_pairs(result[repeated], repeated)
    size = len(first)
    result = originals(np.concatenate([first.exact, second.exact]))
    in_first, in_second = result[:size], result[size:]
    matched = np.flatnonzero(in_second < size)  # images of the second part that equal one of the first
    match = np.full(size, -1, dtype=np.int64)  # the first image of the second part with the same original
    match[in_second[matched][::-1]] = matched[::-1]
    copies = np.flatnonzero((match[in_first] >= 0) & (in_first != np.arange(size)))
    return sorted_pairs(
        np.concatenate([in_second[matched], copies]), np.concatenate([matched, match[in_first[copies]]])
    )


def with_copies(pairs: np.ndarray, first: ImageHashes, second: ImageHashes | None = None) -> np.ndarray:
    """Return the pairs of near duplicates together with those of the images that equal one of a pair.

    Args:
        pairs: Pairs as `near_candidates` returns them: of equal images only the first is in one. Shape (M, 2), int64.
        first: The hashes of the first part.
        second: Those of the second; None for pairs within the first.

    Returns:
        The pairs, and for every further image that equals one of them a pair with the first partner of that one.
        Shape (P, 2), int64, in ascending order.
    """
    left = _copied(pairs, originals(first.exact))
    right = _copied(pairs[:, ::-1], originals((second or first).exact))[:, ::-1]
    both = np.concatenate([pairs, left, right])
    if second is None:
        both = np.sort(both, axis=1)
    return sorted_pairs(both[:, 0], both[:, 1])


def _copied(pairs: np.ndarray, original: np.ndarray) -> np.ndarray:
    """A pair for each image that equals an earlier one in the first column, with that one's first partner."""
    partner = np.full(len(original), -1, dtype=np.int64)
    partner[pairs[::-1, 0]] = pairs[::-1, 1]
    copies = np.flatnonzero((original != np.arange(len(original))) & (partner[original] >= 0))
    return np.stack([copies, partner[original[copies]]], axis=1)


def sorted_pairs(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return pairs in ascending order, each once: shape (P, 2), int64."""
    return np.unique(np.stack([left, right], axis=1).astype(np.int64).reshape(-1, 2), axis=0)
