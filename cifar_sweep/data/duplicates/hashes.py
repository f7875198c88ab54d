"""Hashes of images: an exact one of their pixels, and one that stays nearly the same when an image is reworked."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

from cifar_sweep.data.duplicates.views import blocks, grey, reduced
from cifar_sweep.data.formats import Images
from sweeps.workload import ImageHashes

NEAR = 16  # of 64 bits: chosen by benchmarks/near_duplicates.py
BITS = 64
# Bits of brightness and of each of two differences of colour. Photographs of one kind are alike in brightness, such as
# ships at sea; colours tell them apart.
COLOUR_BITS = (40, 12, 12)
HIGHEST = 14  # spatial frequencies, in half waves per side
SCALE = 16  # of the rounded waves: sums over an image of 63 pixels a side stay below 2^24, exact in float32


def hash_images(images: Images, channels: int) -> ImageHashes:
    """Return the hashes of all images as the network sees them before augmentation.

    The perceptual hash has the signs of the lowest frequencies of the discrete cosine transform. It is computed in
    whole numbers, so that it is the same on every machine.

    Args:
        images: The images, as the cache returns them.
        channels: Their number of channels.
    """
    exact, perceptual = [], []
    for pixels in blocks(images, channels):
        exact.append(_digests(pixels))
        perceptual.append(_perceptual(reduced(pixels)))
    return ImageHashes(np.concatenate(exact), np.concatenate(perceptual), NEAR)


def _digests(pixels: np.ndarray) -> np.ndarray:
    """Return 128 bits of the SHA-256 of each image, (B, 2) uint64."""
    digests = b"".join(hashlib.sha256(image.data).digest()[:16] for image in np.ascontiguousarray(pixels))
    return np.frombuffer(digests, "<u8").reshape(-1, 2).astype(np.uint64)


def _perceptual(pixels: np.ndarray) -> np.ndarray:
    """Return the perceptual hash of each image (B, n, n, channels) and of its mirror image, (B, 2) uint64."""
    planes = [grey(pixels)]
    counts: tuple[int, ...] = (BITS,)
    if pixels.shape[-1] == 3:
        red, green, blue = (pixels[..., channel].astype(np.int32) for channel in range(3))
        planes += [red - blue, (2 * green - red - blue) // 2]
        counts = COLOUR_BITS
    waves = [_waves(pixels.shape[1], count) for count in counts]
    strengths = np.concatenate([_strengths(plane, *wave) for plane, wave in zip(planes, waves, strict=True)], axis=1)
    parity = np.concatenate([np.where(wave[1] % 2, -1, 1) for wave in waves])  # what mirroring does to a strength
    return np.stack([_packed(strengths > 0), _packed(strengths * parity > 0)], axis=1)


def _strengths(plane: np.ndarray, waves: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Return the strength of each wave in each image (B, n, n), (B, K) int64. Brightness itself does not count."""
    flat = plane.reshape(len(plane), -1).astype(np.float32)
    sums = flat.sum(axis=1, dtype=np.float64).astype(np.int64)
    # Rounded waves do not add up to zero, so an even image would have a strength.
    offsets = np.rint(waves.sum(axis=0, dtype=np.float64)).astype(np.int64)
    strengths: np.ndarray = np.rint(flat @ waves).astype(np.int64) * flat.shape[1] - sums[:, None] * offsets
    return strengths


@cache
def _waves(side: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `count` lowest waves of the cosine transform, rounded, and their frequencies along a row.

    Returns:
        (side * side, count) float32 of whole numbers, and (count,) int64. Waves that so few pixels cannot show are 0.
    """
    grid = [(row, column) for row in range(HIGHEST) for column in range(HIGHEST) if row or column]
    chosen = sorted(grid, key=lambda wave: (wave[0] ** 2 + wave[1] ** 2, wave))[:count]
    place = (np.arange(side) + 0.5) / side
    curves = [np.cos(np.pi * frequency * place) * (frequency < side) for frequency in range(HIGHEST)]
    waves = [np.rint(SCALE * np.outer(curves[row], curves[column])).reshape(-1) for row, column in chosen]
    return np.stack(waves, axis=1).astype(np.float32), np.array([column for _, column in chosen])


def _packed(bits: np.ndarray) -> np.ndarray:
    """Return 64 bits per row (B, 64) as (B,) uint64."""
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(">u8")[:, 0].astype(np.uint64)
