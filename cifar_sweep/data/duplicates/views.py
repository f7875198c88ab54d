"""Small views of images, in which duplicates are compared: whole numbers, so that every machine finds the same ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cifar_sweep.data.formats import Images
from cifar_sweep.data.formats.decode import fit_pixels

SIDE = 32  # larger images are averaged down to between this side and twice of it
BLOCK = 2000  # images in memory at a time


def blocks(images: Images, channels: int) -> Iterator[np.ndarray]:
    """Yield the pixels of all images as the network sees them before augmentation, a block at a time.

    Args:
        images: The images, as the cache returns them.
        channels: Their number of channels; a padding byte after them is left out.

    Yields:
        (B, side, side, channels) uint8.
    """
    for start in range(0, len(images), BLOCK):
        yield seen(images, channels, slice(start, start + BLOCK))


def seen(images: Images, channels: int, index: np.ndarray | slice) -> np.ndarray:
    """Return some of the images as the network sees them before augmentation, (B, side, side, channels) uint8."""
    pixels = images.pixels[index][..., :channels]
    return pixels if images.fit is None else fit_pixels(np.ascontiguousarray(pixels), images.fit)


def reduced(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Average square images down by the whole factor that leaves them `side` pixels a side, or less than twice that.

    Args:
        pixels: (B, n, n, channels) uint8. Rows and columns that no whole factor divides are cut off at the edges.
        side: The smallest side of the result; smaller images stay as they are.

    Returns:
        (B, m, m, channels) uint8, rounded down.
    """
    factor = pixels.shape[1] // side
    if factor < 2:
        return pixels
    kept = pixels.shape[1] // factor
    start = (pixels.shape[1] - kept * factor) // 2
    middle = pixels[:, start : start + kept * factor, start : start + kept * factor]
    # Row after row and column after column: sums over two axes at once are several times slower.
    rows = _sum([middle[:, offset::factor] for offset in range(factor)])
    total = _sum([rows[:, :, offset::factor] for offset in range(factor)])
    return np.asarray((total // factor**2).astype(np.uint8))


def _sum(arrays: list[np.ndarray]) -> np.ndarray:
    total: np.ndarray = arrays[0].astype(np.uint32)
    for array in arrays[1:]:
        total += array
    return total


def grey(pixels: np.ndarray) -> np.ndarray:
    """Return the brightness (B, n, n) of images (B, n, n, channels) uint8, as int32 from 0 to 255."""
    if pixels.shape[-1] == 1:
        return np.asarray(pixels[..., 0].astype(np.int32))
    red, green, blue = (pixels[..., channel].astype(np.int32) for channel in range(3))
    brightness: np.ndarray = (5 * red + 9 * green + 2 * blue) >> 4
    return brightness
