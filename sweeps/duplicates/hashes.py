"""The hashes of the images of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

NEAR = 6  # of 64 bits


@dataclass(frozen=True)
class ImageHashes:
    """The hashes of N images, in the order of the images. No image can be told from them.

    Attributes:
        exact: 128 bits of a cryptographic hash of each image's pixels as they are trained on, before augmentation,
            shape (N, 2), uint64. Equal images have equal hashes.
        perceptual: A perceptual hash of each image and one of its mirror image, shape (N, 2), uint64. Images that look
            alike have hashes that differ in few bits.
        near: The largest number of bits in which the perceptual hashes of two images differ that are compared by their
            pixels.
    """

    exact: np.ndarray
    perceptual: np.ndarray
    near: int = NEAR

    def __len__(self) -> int:
        return len(self.exact)
