"""Decode image files to pixels and resize stored pixels to the network's size, with Pillow in a few threads.

Pillow resizes bytes in whole numbers, so the result, and the fingerprint over it, is the same on every machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import Fit

BILINEAR = Image.Resampling.BILINEAR
THREADS = min(4, os.cpu_count() or 1)
BLOCK = 64  # images that a thread takes at once, so that handing them out costs little
BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)  # raised by Pillow for bad files


@dataclass(frozen=True)
class Square:
    """How an image of any size becomes a square.

    Attributes:
        side: Side of the square, in pixels.
        shorter_side: The length to which the image's shorter side is resized, in proportion, before its middle is kept;
            None: the whole image is squeezed into the square.
    """

    side: int
    shorter_side: int | None = None

    @classmethod
    def stored(cls, data: DataRecipe) -> Square:
        """Return the square in which the images of a folder are stored."""
        return cls(data.stored.size) if data.size is not None else cls.final(data)

    @classmethod
    def final(cls, data: DataRecipe) -> Square:
        """Return the square that the network sees."""
        return cls(data.shape.size, None if data.center_crop is None else data.resize)


def decode_files(files: Sequence[Path], channels: int, square: Square) -> np.ndarray:
    """Decode image files of any size and of any mode with 8 bits per channel.

    Args:
        files: The N files.
        channels: 1 (grey) or 3 (RGB).
        square: How each image becomes a square.

    Returns:
        (N, side, side, channels) uint8.

    Raises:
        ValueError: A file cannot be decoded; the message names it.
    """
    pixels = np.empty((len(files), square.side, square.side, channels), np.uint8)

    def decode(place: int) -> None:
        pixels[place] = np.asarray(_to_square(_open_image(files[place], channels), square)).reshape(pixels.shape[1:])

    _in_threads(decode, len(files))
    return pixels


def image_size(file: Path) -> tuple[int, int]:
    """Return width and height of the image in `file`, in pixels. Raises ValueError when it cannot be read."""
    try:
        with Image.open(file) as image:
            return image.size
    except BROKEN as error:
        raise ValueError(f"{file} cannot be decoded: {error}") from error


def fit_pixels(pixels: np.ndarray, fit: Fit) -> np.ndarray:
    """Resize and crop images.

    Args:
        pixels: (N, height, width, 1 or 3) uint8.
        fit: The side to resize to, the side of the middle part to keep, or both.

    Returns:
        (N, side, side, 1 or 3) uint8.
    """
    side = fit.crop or fit.resize or 0
    fitted = np.empty((len(pixels), side, side, pixels.shape[-1]), np.uint8)

    def change(place: int) -> None:
        image = Image.fromarray(pixels[place].squeeze(-1) if pixels.shape[-1] == 1 else pixels[place])
        if fit.resize is not None:
            image = image.resize((fit.resize, fit.resize), BILINEAR)
        image = image if fit.crop is None else _center_crop(image, fit.crop)
        fitted[place] = np.asarray(image).reshape(fitted.shape[1:])

    _in_threads(change, len(pixels))
    return fitted


def _open_image(file: Path, channels: int) -> Image.Image:
    """Return the image in `file` as RGB or grey. Raises ValueError when it cannot be decoded."""
    try:
        with Image.open(file) as image:
            # Pillow would clip these to 255 instead of scaling them.
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"it has pixels of mode {image.mode}, not of 8 bits a channel")
            return image.convert("RGB" if channels == 3 else "L")
    except BROKEN as error:
        raise ValueError(f"{file} cannot be decoded: {error}") from error


def _to_square(image: Image.Image, square: Square) -> Image.Image:
    """Resize and crop an image to `square`."""
    if square.shorter_side is None:
        return image.resize((square.side, square.side), BILINEAR)
    # Rounded down, as torchvision's Resize does.
    width, height = (int(square.shorter_side * side / min(image.size)) for side in image.size)
    return _center_crop(image.resize((width, height), BILINEAR), square.side)


def _center_crop(image: Image.Image, side: int) -> Image.Image:
    """Return the middle of an image, `side` pixels a side."""
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    return image.crop((left, top, left + side, top + side))


def _in_threads(work: Callable[[int], None], count: int) -> None:
    """Call `work` with 0 to `count` - 1, in threads: Pillow releases the interpreter's lock."""

    def work_on(start: int) -> None:
        for place in range(start, min(start + BLOCK, count)):
            work(place)

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(work_on, range(0, count, BLOCK)):  # reading the results raises what a thread raised
            pass
