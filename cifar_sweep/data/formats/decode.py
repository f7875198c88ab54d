"""Decode image files to pixels and resize stored pixels to the network's size, with Pillow in a few threads.

Pillow resizes bytes in whole numbers, so the result, and the fingerprint over it, is the same on every machine.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from cifar_sweep.data.formats.listing import first_named
from cifar_sweep.data.formats.reading import Reading
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import Fit

BILINEAR = Image.Resampling.BILINEAR
THREADS = min(4, os.cpu_count() or 1)
BLOCK = 64  # images that a thread takes at once, so that handing them out costs little
BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)  # raised by Pillow for bad files
# The formats that are decoded, whatever the suffix: Pillow would start other programs for some of the rest.
FORMATS = ("PNG", "JPEG", "MPO", "GIF", "WEBP", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "AVIF")
# The steps that bring an image with this EXIF orientation upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


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


def decode_files(files: Sequence[Path], channels: int, square: Square, reading: Reading) -> np.ndarray:
    """Decode image files of any size and of any mode with 8 bits per channel.

    Of an animation the first frame is decoded. Transparency is ignored: a pixel has the colour that is stored for it.

    Args:
        files: The N files.
        channels: 1 (grey) or 3 (RGB).
        square: How each image becomes a square.
        reading: Whether images are turned upright.

    Returns:
        (N, side, side, channels) uint8.

    Raises:
        ValueError: Files cannot be decoded; the message names the first ten and says how many there are.
    """
    pixels = np.empty((len(files), square.side, square.side, channels), np.uint8)
    errors: dict[int, str] = {}

    def decode(place: int) -> None:
        try:
            image = _open_image(files[place], channels, reading)
            pixels[place] = np.asarray(_to_square(image, square)).reshape(pixels.shape[1:])
        except BROKEN as error:
            errors[place] = str(error)

    _in_threads(decode, len(files))
    _refuse_broken([(files[place], errors[place]) for place in sorted(errors)])
    return pixels


def image_sizes(files: Sequence[Path], reading: Reading) -> list[tuple[int, int]]:
    """Return width and height of the images in some files, in pixels, as they are decoded. Raises as `decode_files`."""
    sizes: list[tuple[int, int]] = [(0, 0)] * len(files)
    errors: dict[int, str] = {}

    def measure(place: int) -> None:
        try:
            sizes[place] = _image_size(files[place], reading)
        except BROKEN as error:
            errors[place] = str(error)

    _in_threads(measure, len(files))
    _refuse_broken([(files[place], errors[place]) for place in sorted(errors)])
    return sizes


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


def _image_size(file: Path, reading: Reading) -> tuple[int, int]:
    """Return width and height of an image, from its header where that is enough. Raises one of BROKEN."""
    with Image.open(file, formats=_formats()) as image:
        # Pillow gives the size of a TIFF as it stands after turning, of other formats as it is stored.
        on_its_side = reading.upright and image.format != "TIFF" and _orientation(image) in (5, 6, 7, 8)
        return (image.height, image.width) if on_its_side else image.size


def _open_image(file: Path, channels: int, reading: Reading) -> Image.Image:
    """Return the image in `file` as RGB or grey. Raises one of BROKEN when it cannot be decoded."""
    with Image.open(file, formats=_formats()) as opened:
        opened.load()
        image: Image.Image = opened
        # Pillow would clip these to 255 instead of scaling them, and the range that they use is unknown.
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"it has pixels of mode {image.mode}, not of 8 bits a channel; convert it to 8 bits")
        if reading.upright and (turn := UPRIGHT.get(_orientation(image))) is not None:
            image = image.transpose(turn)
        if isinstance(image.info.get("transparency"), bytes):  # Pillow warns if such a palette loses it in one step
            image = image.convert("RGBA")
        return image.convert("RGB" if channels == 3 else "L")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of an image, 1 to 8; 1 where it has none that can be read."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (*BROKEN, KeyError, TypeError, struct.error):  # broken EXIF data; the pixels may be whole
        return 1
    return orientation if isinstance(orientation, int) else 1


@cache
def _formats() -> tuple[str, ...]:
    """Return those of FORMATS that this build of Pillow decodes."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _refuse_broken(broken: Sequence[tuple[Path, str]]) -> None:
    """Raise ValueError where there are broken files, given with the reasons."""
    if len(broken) == 1:
        raise ValueError(f"{broken[0][0]} cannot be decoded: {broken[0][1]}")
    if broken:
        lines = first_named(f"{file}: {reason}" for file, reason in broken)
        raise ValueError(f"{len(broken)} images cannot be decoded; replace or remove them:{lines}")


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
