"""Names of the classes of a data set."""

from __future__ import annotations

from pathlib import Path

from cifar_sweep.data.formats import class_names
from cifar_sweep.recipe import DataRecipe


def names_of(data: DataRecipe, data_dir: Path) -> tuple[str, ...]:
    """Return the names of the classes (K,) in the order of the labels; their indices as text where data has no names.

    Raises:
        ValueError: The names cannot be read, or there are more or fewer than classes.
    """
    return tuple(class_names(data, data_dir, "train")) or tuple(map(str, range(data.shape.classes)))
