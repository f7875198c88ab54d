"""The versions of the rules by which image files are found and decoded.

A study keeps the version with which it began (`data.reading`), so that its pixels never change under it. To change what
is read, add a version here and raise `cifar_sweep.recipe.data.READING`; the earlier ones stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cifar_sweep.recipe import DataRecipe


@dataclass(frozen=True)
class Reading:
    """One version of the rules.

    Attributes:
        suffixes: The suffixes, in lower case, of the files that are read.
        upright: Whether an image is turned as its EXIF orientation says.
        strict: Whether files of the system and hidden folders are left out at every level, links to folders are
            followed and checked, and a class without images is refused.
    """

    suffixes: frozenset[str]
    upright: bool
    strict: bool


_FIRST = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".tif", ".tiff"})
_MORE = frozenset({".apng", ".jpe", ".jfif", ".gif", ".dib", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif"})

READINGS: Mapping[int, Reading] = {
    1: Reading(_FIRST, upright=False, strict=False),
    2: Reading(_FIRST | _MORE, upright=True, strict=True),
}


def reading_of(data: DataRecipe) -> Reading:
    """Return the rules by which the image files of `data` are read."""
    return READINGS[data.reading_version]
