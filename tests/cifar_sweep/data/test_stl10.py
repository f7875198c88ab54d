"""STL-10: its binary files, subsets, truncated and absent files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cifar_sweep.data.cache import load_images
from cifar_sweep.data.formats import class_names, read_images
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import Unavailable
from tests.cifar_sweep.artificial_data import make_stl10, pictures, shuffled_labels

STL10 = DataRecipe(name="stl10")
FIVE = ("car", "deer", "horse", "monkey", "truck")  # those of report 003


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return make_stl10(tmp_path, per_class=3, test_per_class=1, unlabelled=2)


def test_images_stand_upright_and_labels_count_from_zero(data_dir: Path):
    images, labels = read_images(STL10, data_dir, "train"), shuffled_labels(10, 3)
    assert np.array_equal(images.labels, labels)
    assert np.array_equal(images.pixels, pictures(labels, 96, seed=1))


def test_torchvision_reads_the_same_pixels_and_labels(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    from torchvision import datasets

    monkeypatch.setattr(datasets.STL10, "_check_integrity", lambda _: True)
    ours = read_images(STL10, data_dir, "test")
    theirs = datasets.STL10(str(data_dir), split="test")
    assert np.array_equal(ours.pixels.transpose(0, 3, 1, 2), theirs.data)
    assert list(ours.labels) == list(theirs.labels)


def test_the_training_part_needs_neither_the_test_nor_the_unlabelled_file(data_dir: Path):
    for name in ("test_X.bin", "test_y.bin", "unlabeled_X.bin"):
        (data_dir / "stl10_binary" / name).unlink()
    assert len(read_images(STL10, data_dir, "train")) == 30


def test_five_classes_are_numbered_in_the_order_in_which_they_are_named(data_dir: Path):
    whole = read_images(STL10, data_dir, "train")
    subset = DataRecipe(name="stl10", subset=FIVE[::-1])
    images = load_images(subset, data_dir, "train")
    assert subset.shape.classes == 5
    assert list(np.bincount(images.labels)) == [3] * 5
    assert np.array_equal(images.pixels[images.labels == 1][..., :3], whole.pixels[whole.labels == 7])  # monkeys
    assert class_names(subset, data_dir) == FIVE[::-1]


@pytest.mark.parametrize("name", ["train_X.bin", "train_y.bin"])
def test_a_truncated_file_is_refused(data_dir: Path, name: str):
    file = data_dir / "stl10_binary" / name
    file.write_bytes(file.read_bytes()[:-1])
    message = "train_X.bin has .* is it truncated" if name == "train_X.bin" else "30 images need as many integer labels"
    with pytest.raises(ValueError, match=message):
        read_images(STL10, data_dir, "train")


def test_a_label_of_zero_which_stl10_does_not_have_is_refused(data_dir: Path):
    np.zeros(30, np.uint8).tofile(data_dir / "stl10_binary" / "train_y.bin")
    with pytest.raises(ValueError, match="labels must be 0 to 9 but are -1 to -1"):
        read_images(STL10, data_dir, "train")


def test_absent_files_are_reported_with_the_files_to_put_there(tmp_path: Path):
    with pytest.raises(Unavailable, match=r"no .*stl10_binary/train_X\.bin\. Put the official binary files of STL-10"):
        read_images(STL10, tmp_path, "train")
