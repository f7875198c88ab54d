"""Draw stratified samples of images, whole groups of duplicates at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np


def stratified_sample(
    index: np.ndarray,
    labels: np.ndarray,
    count: int,
    seed: int,
    group: np.ndarray | None = None,
    left_out: np.ndarray | None = None,
) -> np.ndarray:
    """Draw some of the images, each class by its share (largest remainders rounded up).

    Without groups of two or more the draw depends on `index`, `labels`, `count` and `seed` alone. Groups change it
    where they are cut and nowhere else, so that recipes of one seed whose groups differ a little share most of a split.

    Args:
        index: Numbers of the images to draw from, ascending.
        labels: (N,) classes of all images.
        count: How many to draw. Groups may not allow this number exactly.
        seed: The seed.
        group: (N,) the group of each image, as the lowest number in it; None where there are none.
        left_out: Numbers of images that are not drawn. Leaving one out changes the draw where it would have been.

    Returns:
        The numbers drawn, ascending.
    """
    generator = np.random.default_rng(seed)
    allowed = np.ones(len(labels), dtype=bool)
    allowed[index[:0] if left_out is None else left_out] = False
    classes, sizes = np.unique(labels[index[allowed[index]]], return_counts=True)
    shares = count * sizes / sizes.sum()
    takes = np.floor(shares).astype(int)
    takes[np.argsort(takes - shares, kind="stable")[: count - takes.sum()]] += 1
    orders = [generator.permutation(index[labels[index] == label]) for label in classes]
    orders = [order[allowed[order]] for order in orders]
    drawn = np.zeros(len(labels), dtype=bool)
    for order, take in zip(orders, takes, strict=True):
        drawn[order[:take]] = True
    if group is not None:
        _keep_together(drawn, index[allowed[index]], group)
        for order, take in zip(orders, takes, strict=True):
            _balance(drawn, order, int(take), group, labels)
    return np.flatnonzero(drawn)


def _keep_together(drawn: np.ndarray, index: np.ndarray, group: np.ndarray) -> None:
    """Draw or leave whole groups, as their first image of `index` was drawn."""
    _, first, member_of = np.unique(group[index], return_index=True, return_inverse=True)
    drawn[index] = drawn[index[first[member_of]]]


def _balance(drawn: np.ndarray, order: np.ndarray, take: int, group: np.ndarray, labels: np.ndarray) -> None:
    """Draw further groups of a class, or give some back, until `take` of its images are drawn or no group fits.

    Args:
        drawn: (N,) bool, changed in place.
        order: The class's images in the order in which they are drawn.
        take: How many to draw.
        group: (N,) the group of each image.
        labels: (N,) classes; groups with images of another class stay where they are.
    """
    missing = take - int(drawn[order].sum())
    # The next to be drawn are drawn first, the last that were drawn are given back first.
    candidates = order[~drawn[order]] if missing > 0 else order[drawn[order]][::-1]
    for members in _groups(candidates, group, labels) if missing else ():
        if len(members) <= abs(missing):
            drawn[members] = missing > 0
            missing -= len(members) if missing > 0 else -len(members)
        if not missing:
            return


def _groups(candidates: np.ndarray, group: np.ndarray, labels: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the images of each group of one class, in the order of their first candidate."""
    label = labels[candidates[0]] if len(candidates) else 0
    mixed = set(group[labels != label].tolist())
    by_group: dict[int, list[int]] = {}
    for image, name in zip(candidates.tolist(), group[candidates].tolist(), strict=True):
        by_group.setdefault(name, []).append(image)
    lists: Iterable[list[int]] = (images for name, images in by_group.items() if name not in mixed)
    return map(np.array, lists)
