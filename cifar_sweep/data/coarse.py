"""CIFAR-100's 20 coarse classes: their names and their fine classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cifar_sweep.data.formats import class_names, source_files
from cifar_sweep.data.formats.cifar import read_coarse_labels, read_coarse_names
from cifar_sweep.data.pickles import UnsafePickleError
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.datasets import chosen_classes


def coarse_groups(data: DataRecipe, data_dir: Path) -> tuple[tuple[int, ...], ...]:
    """Return the fine labels of each coarse class, ascending, in the order of the coarse labels.

    They are read from the training part. With `subset`, labels are those of the subset, and coarse classes without any
    of its classes are left out.

    Raises:
        ValueError: The data has no coarse classes, or the files contradict themselves.
        Unavailable: The data is absent.
    """
    return tuple(group for group in _all_groups(data, data_dir) if group)


def coarse_names(data: DataRecipe, data_dir: Path) -> tuple[str, ...]:
    """Return the names of the coarse classes that `coarse_groups` returns, in its order. Raises as it does."""
    groups, names = _all_groups(data, data_dir), read_coarse_names(data, data_dir)
    if len(names) != len(groups):
        raise ValueError(f"data {data.name} names {len(names)} coarse classes but has {len(groups)}")
    return tuple(name for name, group in zip(names, groups, strict=True) if group)


def _all_groups(data: DataRecipe, data_dir: Path) -> list[tuple[int, ...]]:
    """Return the fine labels of every coarse class, also of those without any. Raises as `coarse_groups` does."""
    if data.name != "cifar100":
        raise ValueError(f"data.name is {data.name}, which has no coarse classes: only cifar100 has them")
    # For its error, which names the missing file and the files to put there.
    source_files(data, data_dir, "train")
    try:
        fine, coarse = read_coarse_labels(data, data_dir)
    except UnsafePickleError as error:
        raise ValueError(f"data {data.name}: the coarse labels cannot be read: {error}") from error
    pairs = np.unique(np.stack([fine, coarse], axis=1), axis=0)
    if len(pairs) != len(np.unique(pairs[:, 0])):
        raise ValueError(f"data {data.name}: a fine class belongs to more than one coarse class")
    new_label = _labels_in_subset(data, data_dir)
    groups: list[list[int]] = [[] for _ in range(int(pairs[:, 1].max()) + 1)]
    for old, group in pairs.tolist():
        if old in new_label:
            groups[group].append(new_label[old])
    return [tuple(sorted(group)) for group in groups]


def _labels_in_subset(data: DataRecipe, data_dir: Path) -> dict[int, int]:
    """Return the label of each class in the subset, by its label in the whole data."""
    if data.subset is None:
        return {label: label for label in range(data.stored.classes)}
    everything = data.model_copy(update={"subset": None})
    classes = chosen_classes(data.subset, class_names(everything, data_dir), data.stored.classes)
    return {old: new for new, old in enumerate(classes)}
