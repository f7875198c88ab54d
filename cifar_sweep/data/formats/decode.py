"""From image files to pixels, and from stored pixels to the size that the network sees: Pillow, in a few threads.

Pillow resizes bytes in whole numbers, so that the result, and the fingerprint over it, is the same on every machine.
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
BLOCK = 64  # images that a thread takes at once
BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)  # what Pillow raises for bad files


@dataclass(frozen=True)
class Square:
    """How an image of any size becomes `side` pixels a side: squeezed, or, where `shorter` is given, with its shorter
    side brought to that many pixels and its middle kept.
    """

    side: int
    shorter: int | None = None

    @classmethod
    def stored(cls, data: DataRecipe) -> Square:
        """How the images of a folder are stored."""
        return cls(data.stored.size) if data.size is not None else cls.final(data)

    @classmethod
    def final(cls, data: DataRecipe) -> Square:
        """Straight to the size that the network sees."""
        return cls(data.shape.size, None if data.center_crop is None else data.resize)


def decode_files(files: Sequence[Path], channels: int, square: Square) -> np.ndarray:
    """The images in `files`, of any size and mode of 8 bits, as (N, side, side, `channels`) uint8.

    Raises ValueError naming a file that cannot be decoded.
    """
    pixels = np.empty((len(files), square.side, square.side, channels), np.uint8)

    def decode(place: int) -> None:
        pixels[place] = np.asarray(_squared(_opened(files[place], channels), square)).reshape(pixels.shape[1:])

    _in_threads(decode, len(files))
    return pixels


def image_size(file: Path) -> tuple[int, int]:
    """Width and height of the image in `file`. Raises ValueError when it is none."""
    try:
        with Image.open(file) as image:
            return image.size
    except BROKEN as error:
        raise ValueError(f"{file} cannot be decoded: {error}") from error


def fit_pixels(pixels: np.ndarray, fit: Fit) -> np.ndarray:
    """The images `pixels` (N, height, width, 1 or 3) uint8 as `fit` wants them, in the same type."""
    side = fit.crop or fit.resize or 0
    fitted = np.empty((len(pixels), side, side, pixels.shape[-1]), np.uint8)

    def change(place: int) -> None:
        image = Image.fromarray(pixels[place].squeeze(-1) if pixels.shape[-1] == 1 else pixels[place])
        if fit.resize is not None:
            image = image.resize((fit.resize, fit.resize), BILINEAR)
        image = image if fit.crop is None else _middle(image, fit.crop)
        fitted[place] = np.asarray(image).reshape(fitted.shape[1:])

    _in_threads(change, len(pixels))
    return fitted


def _opened(file: Path, channels: int) -> Image.Image:
    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"it has pixels of mode {image.mode}, not of 8 bits a channel")
            return image.convert("RGB" if channels == 3 else "L")
    except BROKEN as error:
        raise ValueError(f"{file} cannot be decoded: {error}") from error


def _squared(image: Image.Image, square: Square) -> Image.Image:
    if square.shorter is None:
        return image.resize((square.side, square.side), BILINEAR)
    width, height = (int(square.shorter * side / min(image.size)) for side in image.size)
    return _middle(image.resize((width, height), BILINEAR), square.side)


def _middle(image: Image.Image, side: int) -> Image.Image:
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    return image.crop((left, top, left + side, top + side))


def _in_threads(work: Callable[[int], None], count: int) -> None:
    def work_on(start: int) -> None:
        for place in range(start, min(start + BLOCK, count)):
            work(place)

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(work_on, range(0, count, BLOCK)):  # reading the results raises what a thread raised
            pass
