"""Groups of images that are duplicates of each other."""

from __future__ import annotations

import numpy as np


def groups(count: int, pairs: np.ndarray) -> np.ndarray:
    """Return the group of each image: images that pairs connect, directly or through others, are in one group.

    Args:
        count: The number of images N.
        pairs: Numbers of two images each, shape (P, 2), int64.

    Returns:
        The lowest number in each image's group, shape (N,), int64; its own number for an image in no pair.

    Example:
        >>> groups(5, np.array([[1, 4], [3, 4]])).tolist()
        [0, 1, 2, 1, 1]
    """
    group = np.arange(count, dtype=np.int64)
    left, right = pairs[:, 0], pairs[:, 1]
    while True:
        lowest = np.minimum(group[left], group[right])
        if np.array_equal(group[left], group[right]):
            return group
        for side in (left, right):  # both images, and the image that stood for the group of each
            np.minimum.at(group, group[side], lowest)
            np.minimum.at(group, side, lowest)
        group = group[group]
