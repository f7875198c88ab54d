"""CIFAR-100's 20 coarse classes: what they are called and which fine classes each has."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cifar_sweep.data.formats import class_names, source_files
from cifar_sweep.data.formats.cifar import read_coarse_labels, read_coarse_names
from cifar_sweep.data.pickles import UnsafePickleError
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.datasets import chosen_classes


def coarse_groups(data: DataRecipe, data_dir: Path) -> tuple[tuple[int, ...], ...]:
    """The labels of the fine classes of each coarse class, in the order of the coarse labels, ascending.

    With `subset`, labels are those of the subset, and a coarse class of which nothing is left is left out. Read off
    the training part. Raises ValueError where the data has no coarse classes, Unavailable where it is absent.
    """
    return tuple(group for group in _groups(data, data_dir) if group)


def coarse_names(data: DataRecipe, data_dir: Path) -> tuple[str, ...]:
    """The names of the coarse classes of `coarse_groups`, in its order. Raises as it does."""
    groups, names = _groups(data, data_dir), read_coarse_names(data, data_dir)
    if len(names) != len(groups):
        raise ValueError(f"data {data.name} names {len(names)} coarse classes but has {len(groups)}")
    return tuple(name for name, group in zip(names, groups, strict=True) if group)


def _groups(data: DataRecipe, data_dir: Path) -> list[tuple[int, ...]]:
    """As `coarse_groups`, but with every coarse class, also an empty one."""
    if data.name != "cifar100":
        raise ValueError(f"data.name is {data.name}, which has no coarse classes: only cifar100 has them")
    source_files(data, data_dir, "train")
    try:
        fine, coarse = read_coarse_labels(data, data_dir)
    except UnsafePickleError as error:
        raise ValueError(f"data {data.name}: the coarse labels cannot be read: {error}") from error
    pairs = np.unique(np.stack([fine, coarse], axis=1), axis=0)
    if len(pairs) != len(np.unique(pairs[:, 0])):
        raise ValueError(f"data {data.name}: a fine class belongs to more than one coarse class")
    new_label = _new_labels(data, data_dir)
    groups: list[list[int]] = [[] for _ in range(int(pairs[:, 1].max()) + 1)]
    for old, group in pairs.tolist():
        if old in new_label:
            groups[group].append(new_label[old])
    return [tuple(sorted(group)) for group in groups]


def _new_labels(data: DataRecipe, data_dir: Path) -> dict[int, int]:
    """The label that each class has in the subset, by its label in the whole data."""
    if data.subset is None:
        return {label: label for label in range(data.stored.classes)}
    everything = data.model_copy(update={"subset": None})
    chosen = chosen_classes(data.subset, class_names(everything, data_dir), data.stored.classes)
    return {old: new for new, old in enumerate(chosen)}
