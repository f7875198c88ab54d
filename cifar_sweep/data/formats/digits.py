"""The handwritten digits that come with scikit-learn, 8 x 8 pixels, in a fixed training and test part."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cifar_sweep.data.formats.images import Format, Images, Part, blank
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.datasets import CLASS_NAMES

TEST_IMAGES = 297  # of scikit-learn's 1,797 digits, which have no test part of their own


def _files(data: DataRecipe, data_dir: Path, part: Part) -> list[Path]:
    return []


def _read(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    # A fixed seed, apart from the runs': the test part must be the same for every study.
    train, test = train_test_split(
        np.arange(len(digits.target)), test_size=TEST_IMAGES, stratify=digits.target, random_state=0
    )
    index = np.sort(train if part == "train" else test)
    pixels = np.rint(digits.images[index] * (255 / 16)).astype(np.uint8)
    return Images(pixels[..., None], digits.target[index])


def _outline(data: DataRecipe, data_dir: Path, part: Part) -> Images:
    # The digits come with the library, in one file with their labels: there is nothing that could be wrong with them.
    return Images(blank((TEST_IMAGES, 8, 8, 1)), np.arange(TEST_IMAGES) % 10)


def _class_names(data: DataRecipe, data_dir: Path, part: Part) -> tuple[str, ...]:
    return CLASS_NAMES["digits"]


DIGITS = Format(_files, _read, _outline, _class_names, "scikit-learn")
