"""Single images as the network sees them, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cifar_sweep.data.cache import load_images
from cifar_sweep.data.corruptions import corrupt
from cifar_sweep.data.evaluation_sets import TEST, Corrupted, labelled_sets
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import Site

VALIDATION = "validation"


def thumbnails(data: DataRecipe, site: Site, set_name: str, indices: Sequence[int]) -> np.ndarray:
    """Return images by their index in their part of the data: the training part for "validation", else the set.

    Returns:
        (N, size, size, 3) uint8; the channel of a grey image three times.

    Raises:
        Unavailable: The data is absent.
        ValueError: The study has no set of this name, or it has fewer images.
    """
    pixels = _pixels(data, site, set_name)
    if indices and max(indices) >= len(pixels):
        raise ValueError(f"{set_name} has {len(pixels)} images but number {max(indices)} is asked for")
    chosen = pixels[list(indices)][..., : data.shape.channels]
    return np.broadcast_to(chosen, (*chosen.shape[:3], 3)) if data.shape.channels == 1 else chosen


def _pixels(data: DataRecipe, site: Site, set_name: str) -> np.ndarray:
    """Return all stored images of a set."""
    if set_name == VALIDATION:
        return load_images(data, site.data_dir, "train").pixels
    sources = {labelled.name: labelled.source for labelled in labelled_sets(data, site.evaluate)}
    source = sources.get(set_name)
    if set_name != TEST and source is None:
        raise ValueError(f"there is no set {set_name!r}, only {', '.join((VALIDATION, TEST, *sources))}")
    if isinstance(source, DataRecipe):
        return load_images(source, site.data_dir, "test").pixels
    pixels = load_images(data, site.data_dir, "test").pixels
    if isinstance(source, Corrupted):
        return corrupt(pixels[..., : data.shape.channels], source.kind, source.severity)
    return pixels
