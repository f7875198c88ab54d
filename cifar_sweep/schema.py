"""The base class of every section of a recipe, the shape of a data set, and where a path in a recipe leads."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen group of settings. Strict: "3" and 37.5 are no integers; a float accepts an integer."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Shape:
    """The shape of a data set's images and its number of classes.

    Attributes:
        channels: Channels per pixel, 1 or 3.
        size: Side of the square images, in pixels.
        classes: Number of classes; labels are 0 to `classes` - 1.
    """

    channels: int
    size: int
    classes: int


def below(data_dir: Path, path: str) -> Path:
    """Return the place of a path in a recipe: absolute, in a home folder (`~/…`), or below the data folder."""
    written = Path(path)
    with suppress(RuntimeError):  # "~name" without a user of that name
        written = written.expanduser()
    return data_dir / written
