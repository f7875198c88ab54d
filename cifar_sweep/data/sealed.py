"""Check the sealed test part, and the other labelled sets of a study, without reading a pixel of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cifar_sweep.data.evaluation_sets import labelled_sets, require_known_classes
from cifar_sweep.data.formats import check_part, part_notes
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import Unavailable


def check_test_data(data: DataRecipe, entries: Iterable[Any], data_dir: Path) -> list[str]:
    """Check what can be known of the sets that the stage final opens: files, shapes, types, class names and labels.

    Args:
        data: The data that the networks are trained on.
        entries: The entries of the study's `evaluate`.
        data_dir: The folder of the data.

    Returns:
        What the user should know, such as how many files of the test part are not read; a sentence each.

    Raises:
        Unavailable: Files of a set are missing.
        ValueError: A set is not as described, or has other classes than the training part.
    """
    check_part(data, data_dir, "test")
    notes = part_notes(data, data_dir, "test")
    for labelled in labelled_sets(data, entries):
        if isinstance(labelled.source, DataRecipe):
            require_known_classes(labelled, data, data_dir)
            try:
                check_part(labelled.source, data_dir, "test")
                notes += part_notes(labelled.source, data_dir, "test")
            except Unavailable as error:
                raise Unavailable(f"evaluate: {labelled.name}: {error}") from None
            except ValueError as error:
                raise ValueError(f"evaluate: {labelled.name}: {error}") from None
    return notes
