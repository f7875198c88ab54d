"""Small pictures of single images of a labelled set, which a report shows: PNG files in the study's folder."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweeps.artifacts.layout import THUMBNAILS, set_slug
from sweeps.io.files import write_atomic

SIDE = 96  # pixels; of larger images every second, third, … pixel is kept
MOST_BYTES = 64 << 10  # of a file; a picture of 96 × 96 pixels has at most 28 KB
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_thumbnails(folder: Path, stage: str, set_name: str, pictures: Mapping[int, NDArray[Any]]) -> None:
    """Write pictures of a labelled set into the study's `folder`, and remove the set's other ones.

    Args:
        folder: The study's folder.
        stage: The stage whose runs predicted the images.
        set_name: The name of the set.
        pictures: Index of the image -> pixels, shape (H, W, 3) uint8.

    Raises:
        ValueError: A picture has another shape or type.
    """
    place = _folder(folder, stage, set_name)
    place.mkdir(parents=True, exist_ok=True)
    for index, pixels in pictures.items():
        write_atomic(place / f"{index}.png", encode_png(pixels))
    names = {f"{index}.png" for index in pictures}
    for file in place.glob("*.png"):
        if file.name not in names:
            file.unlink(missing_ok=True)


def has_thumbnail(folder: Path, stage: str, set_name: str, index: int) -> bool:
    """Whether the study's `folder` has the picture of an image."""
    return (_folder(folder, stage, set_name) / f"{index}.png").is_file()


def read_thumbnail(folder: Path, stage: str, set_name: str, index: int) -> bytes | None:
    """Return the PNG file of an image; None if there is none, or it is no small PNG file."""
    file = _folder(folder, stage, set_name) / f"{index}.png"
    try:
        content = file.read_bytes() if file.stat().st_size <= MOST_BYTES else b""
    except OSError:
        return None
    return content if content.startswith(_SIGNATURE) else None


def encode_png(pixels: NDArray[Any]) -> bytes:
    """Return an image of shape (H, W, 3) uint8 as a PNG file, with sides of at most 96 pixels."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(
            f"a picture needs the shape (H, W, 3) and the type uint8 but has {pixels.shape}, {pixels.dtype}"
        )
    step = -(-max(pixels.shape[:2]) // SIDE)
    small = np.ascontiguousarray(pixels[::step, ::step])
    height, width = small.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in small)
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)  # 8 bits of red, green and blue
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(*part) for part in parts)


def _folder(folder: Path, stage: str, set_name: str) -> Path:
    return folder / THUMBNAILS / f"{stage}-{set_slug(set_name)}"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
