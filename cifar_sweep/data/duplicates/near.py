"""Near duplicates: the pairs of images that are one image reworked, judged by their pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from cifar_sweep.data.duplicates.likeness import likeness, nearly_equal, thumbnail_likeness, thumbnails
from cifar_sweep.data.duplicates.views import reduced, seen
from cifar_sweep.data.formats import Images

# The likeness from which two images are one: chosen by benchmarks/near_duplicates.py.
ALIKE = 0.77
# In sets of simple images, such as digits, different images are that much alike. There a pair must exceed random pairs
# by this many of their standard deviations.
DEVIATIONS = 10
REFERENCES = 300  # random pairs
SMALLEST = 16  # pixels a side: in smaller images of one kind no likeness tells one image from another
THUMBNAILS_ALIKE, HALF_SIZE_ALIKE = 0.7, 0.7  # what a pair must reach in the quicker comparisons before
MOST_AT_HALF_SIZE, MOST_AT_FULL_SIZE = 100_000, 20_000  # pairs, the most alike: in sets of simple images all pass
BLOCK = 500  # pairs in memory at a time


def near_duplicates(first: Images, second: Images, pairs: np.ndarray, channels: int, bar: float) -> np.ndarray:
    """Return which pairs are near duplicates.

    An image may be mirrored, shifted by up to 2 of 32 pixels, brighter, of other contrast or compressed again; or all
    but a few of its pixels equal those of the other. Below `SMALLEST` pixels a side only the latter counts.

    Args:
        first: The images of the first part.
        second: Those of the second.
        pairs: (M, 2) int64, the number of an image in the first part and that of one in the second.
        channels: The number of channels of both.
        bar: The likeness from which a pair is a near duplicate (`bar_of`).

    Returns:
        (M,) bool.
    """
    near = np.zeros(len(pairs), dtype=bool)
    if not len(pairs):
        return near
    compare = _nearly_equal if reduced_side(first, channels) < SMALLEST else _alike
    for mirrored in (False, True):
        left, right = _views(first, channels), _views(second, channels, mirrored)
        near |= compare(left, right, pairs, bar)
    return near


def bar_of(images: Images, channels: int) -> float:
    """Return the likeness from which two images of a data set are near duplicates: `ALIKE`, or more for simple images.

    Args:
        images: The training images; random pairs of them are compared.
        channels: Their number of channels.
    """
    if len(images) < 2 or reduced_side(images, channels) < SMALLEST:
        return ALIKE
    generator = np.random.default_rng(0)
    left = generator.integers(0, len(images), REFERENCES)
    right = (left + generator.integers(1, len(images), REFERENCES)) % len(images)
    pairs = np.stack([left, right], axis=1)
    plain, mirrored = (_views(images, channels, each) for each in (False, True))
    scores = np.maximum(*(_values(likeness, plain, other, pairs) for other in (plain, mirrored)))
    scores = np.arctanh(scores.clip(-0.999999, 0.999999))
    return max(ALIKE, float(np.tanh(scores.mean() + DEVIATIONS * scores.std())))


def reduced_side(images: Images, channels: int) -> int:
    """Return the side of the views in which images are compared, in pixels."""
    return int(reduced(seen(images, channels, slice(0, 1))).shape[1])


Views = Callable[[np.ndarray], np.ndarray]


def _views(images: Images, channels: int, mirrored: bool = False) -> Views:
    """Return the function that returns the reduced views of images by their numbers."""

    def views(index: np.ndarray) -> np.ndarray:
        pixels = reduced(seen(images, channels, index))
        return pixels[:, :, ::-1] if mirrored else pixels

    return views


def _nearly_equal(left: Views, right: Views, pairs: np.ndarray, bar: float) -> np.ndarray:
    return _values(nearly_equal, left, right, pairs).astype(bool)


def _alike(left: Views, right: Views, pairs: np.ndarray, bar: float) -> np.ndarray:
    """Return which pairs are near duplicates, (M,) bool: by thumbnails first, at half size then, at full size last."""
    near = np.zeros(len(pairs), dtype=bool)
    kept = _most_alike(_thumbnail_values(left, right, pairs), THUMBNAILS_ALIKE, MOST_AT_HALF_SIZE)
    near[kept] = _values(nearly_equal, left, right, pairs[kept]).astype(bool)
    half = _values(_likeness_at_half_size, left, right, pairs[kept])
    kept = kept[_most_alike(half, HALF_SIZE_ALIKE, MOST_AT_FULL_SIZE)]
    near[kept] |= _values(likeness, left, right, pairs[kept]) >= bar
    return near


def _likeness_at_half_size(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return likeness(reduced(first, SMALLEST), reduced(second, SMALLEST))


def _most_alike(values: np.ndarray, bar: float, most: int) -> np.ndarray:
    """Return the indices of the values of at least `bar`, of the `most` largest."""
    return np.sort(np.argsort(-values, kind="stable")[: min(most, int((values >= bar).sum()))])


def _values(
    compare: Callable[[np.ndarray, np.ndarray], np.ndarray], left: Views, right: Views, pairs: np.ndarray
) -> np.ndarray:
    """Return what `compare` says of each pair of images, (M,) float64."""
    blocks = [compare(left(block[:, 0]), right(block[:, 1])) for block in _blocks(pairs)]
    return np.concatenate([np.empty(0), *blocks])


def _thumbnail_values(left: Views, right: Views, pairs: np.ndarray) -> np.ndarray:
    """Return the likeness of the thumbnails of each pair, (M,) float64; that of an image is made once."""
    (ones, one), (others, other) = (np.unique(pairs[:, side], return_inverse=True) for side in (0, 1))
    small, also_small = (
        np.concatenate([thumbnails(views(block)) for block in _blocks(index)])
        for views, index in ((left, ones), (right, others))
    )
    blocks = _blocks(np.stack([one, other], axis=1))
    return np.concatenate([thumbnail_likeness(small[block[:, 0]], also_small[block[:, 1]]) for block in blocks])


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, max(1, len(rows)), BLOCK):
        yield rows[start : start + BLOCK]
