"""How alike two images are, by the edges in them, whatever their brightness and contrast, and over small shifts."""

from __future__ import annotations

import itertools

import numpy as np

from cifar_sweep.data.duplicates.views import reduced

SHIFT = 2  # pixels of a reduced view, in every direction
LEVELLED = 0.5  # the strength above which edges count nearly alike, a share of the root mean square of all
STEPS = 63  # of the length of a levelled edge: sums over 63 x 63 pixels stay below 2^24, exact in float32
THUMBNAIL = 8  # pixels a side
LEVELS = 8  # by which a pixel may differ and still be the same, of 256: more than rounding, less than an edit
EDITED = 100  # one pixel of so many may have been edited, and one in any image


def likeness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return how alike the images of each pair are: the correlation of their edges, the largest over shifts.

    Brightness and contrast may differ. All sums are of whole numbers, so every machine returns the same.

    Args:
        first: (M, n, n, channels) uint8, reduced (`views.reduced`), of more than 4 pixels a side.
        second: (M, n, n, channels) uint8.

    Returns:
        (M,) float64, -1 to 1; 0 where an image has no edge.
    """
    edges, others = _edges(first), _edges(second)
    side, shift = edges.shape[1], SHIFT
    middle = others[:, shift : side - shift, shift : side - shift].copy()
    squares, strength = np.einsum("mijc,mijc->mij", edges, edges), _products(middle, middle)
    best = np.full(len(edges), -1.0)
    for row, column in itertools.product(range(2 * shift + 1), repeat=2):
        window = np.s_[:, row : row + side - 2 * shift, column : column + side - 2 * shift]
        norms = np.sqrt(np.einsum("mij->m", squares[window]).astype(np.float64) * strength)
        best = np.maximum(best, _divided(_products(edges[window], middle), norms))
    return best


def nearly_equal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return for each pair whether all but very few of the pixels are the same, (M,) bool."""
    differences = np.abs(first.astype(np.int16) - second).max(axis=-1) > LEVELS
    allowed = max(1, first.shape[1] * first.shape[2] // EDITED)
    return np.asarray(differences.sum(axis=(1, 2)) <= allowed)


def thumbnails(pixels: np.ndarray) -> np.ndarray:
    """Return the thumbnail of each image (B, n, n, channels), (B, channels, P) float32 of whole numbers to 127."""
    small = reduced(pixels, THUMBNAIL) >> 1  # sums of products stay below 2^24, exact in float32
    return np.ascontiguousarray(small.reshape(len(small), -1, small.shape[-1]).transpose(0, 2, 1)).astype(np.float32)


def thumbnail_likeness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the correlation of the thumbnails of each pair (M, channels, P), each channel about its mean, (M,).

    It is 1 where a thumbnail is blank, which tells nothing.
    """

    def product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        sums = np.einsum("mc,mc->m", one.sum(axis=2, dtype=np.float64), other.sum(axis=2, dtype=np.float64))
        return np.asarray(np.einsum("mcp,mcp->m", one, other) * float(one.shape[2]) - sums)

    norms = np.sqrt(product(first, first) * product(second, second))
    return np.where(norms > 0, _divided(product(first, second), norms), 1)


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    products: np.ndarray = np.einsum("mijc,mijc->m", first, second).astype(np.float64)
    return products


def _divided(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Return quotients, 0 where the divisor is 0."""
    quotients: np.ndarray = np.divide(values, by, out=np.zeros_like(values), where=by > 0)
    return quotients


def _edges(pixels: np.ndarray) -> np.ndarray:
    """Return the gradient of each channel, strong edges levelled, (M, n, n, 2 * channels) float32 of whole numbers."""
    planes = _smoothed(_smoothed(pixels.astype(np.int32), 1), 2)  # compression leaves noise
    slopes = np.concatenate([_slope(planes, 1), _slope(planes, 2)], axis=-1).astype(np.float64)
    # A strong outline would outweigh all that is inside: two cans of different brands before one wall are alike in it.
    squares = np.einsum("mijc,mijc->mij", slopes, slopes)
    level = LEVELLED**2 * squares.mean(axis=(1, 2), keepdims=True)
    lengths = np.sqrt(squares + level)[..., None]
    levelled = _divided(slopes, np.broadcast_to(lengths, slopes.shape))
    return np.asarray(np.rint(STEPS * levelled).astype(np.float32))


def _smoothed(plane: np.ndarray, axis: int) -> np.ndarray:
    """Return sums of 1, 2 and 1 times three neighbours along an axis; beyond the edge the last one is repeated."""
    before, after = _neighbours(plane, axis)
    return np.asarray(before + 2 * plane + after)


def _slope(plane: np.ndarray, axis: int) -> np.ndarray:
    before, after = _neighbours(plane, axis)
    return np.asarray(after - before)


def _neighbours(plane: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the plane moved by one along an axis in either direction, with the last row or column repeated."""
    first, last = np.take(plane, [0], axis), np.take(plane, [-1], axis)
    size = plane.shape[axis]
    moved = np.concatenate([first, plane, last], axis=axis)
    return np.take(moved, range(size), axis), np.take(moved, range(2, size + 2), axis)
