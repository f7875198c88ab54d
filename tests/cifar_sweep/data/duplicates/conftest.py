"""Photographs to look for duplicates in."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.cifar_sweep.artificial_data import pictures, shuffled_labels


def patches(count: int, seed: int) -> np.ndarray:
    """Different pictures (count, 32, 32, 3) of waves and noise, smooth as photographs are."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 6, 6, 3)).astype(np.uint8)
    smooth = np.stack(
        [np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC)) for image in coarse]
    )
    return (smooth + generator.integers(-12, 13, smooth.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def different() -> np.ndarray:
    """120 pictures, (120, 32, 32, 3) uint8, none of them another one reworked."""
    return patches(120, seed=0)


@pytest.fixture(scope="session")
def alike() -> tuple[np.ndarray, np.ndarray]:
    """60 pictures of few kinds, (60, 32, 32, 3) uint8, and their classes."""
    labels = shuffled_labels(10, 6)
    return pictures(labels, 32, seed=5), labels
