"""What the classes are called."""

from __future__ import annotations

from pathlib import Path

from cifar_sweep.data.formats import class_names
from cifar_sweep.recipe import DataRecipe


def names_of(data: DataRecipe, data_dir: Path) -> tuple[str, ...]:
    """The names (K,) of the classes in the order of the labels; their indices where the data do not name them."""
    return tuple(class_names(data, data_dir, "train")) or tuple(map(str, range(data.shape.classes)))
