from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cifar_sweep.formats import read_images, source_files
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import Unavailable

CIFAR10 = DataRecipe(name="cifar10")
RANDOM = np.random.default_rng(0)


def rewrite(path: Path, **changes: Any) -> None:
    content = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps({k: v for k, v in (content | changes).items() if v is not None}, protocol=2))


def npz(root: Path, **arrays: Any) -> DataRecipe:
    np.savez(root / "own.npz", **arrays)
    return DataRecipe(name="npz", path="own.npz", size=4, channels=3, classes=2)


@pytest.fixture
def folder(tmp_path: Path) -> DataRecipe:
    """Two classes of images of different sizes and modes."""
    for part in ("train", "test"):
        for label, colour in (("cat", (200, 100, 0)), ("dog", (0, 50, 250))):
            (tmp_path / "pets" / part / label).mkdir(parents=True)
            for index, side in enumerate((10, 16, 24)):
                image = Image.new("RGB", (side, side + 4), colour)
                image = image.convert("P") if index == 1 else image
                image.save(tmp_path / "pets" / part / label / f"{index}.{'PNG' if index else 'bmp'}")
    (tmp_path / "pets" / "train" / "cat" / "notes.txt").write_text("no image")
    return DataRecipe(name="folder", path="pets", size=8, channels=3, classes=2)


def test_cifar10_is_read_in_the_order_of_the_batches_as_rows_of_pixels(cifar10_dir: Path):
    images = read_images(CIFAR10, cifar10_dir, "train")
    assert images.pixels.shape == (200, 32, 32, 3)
    second = pickle.loads((cifar10_dir / "cifar-10-batches-py" / "data_batch_2").read_bytes())
    red, green, blue = second["data"][7].reshape(3, 32, 32)
    assert np.array_equal(images.pixels[47], np.stack([red, green, blue], axis=-1))
    assert list(images.labels[40:80]) == second["labels"]


def test_the_training_part_is_read_without_the_test_file(cifar10_dir: Path):
    expected = read_images(CIFAR10, cifar10_dir, "train").pixels
    test_batch = cifar10_dir / "cifar-10-batches-py" / "test_batch"
    test_batch.write_bytes(b"broken")
    assert np.array_equal(read_images(CIFAR10, cifar10_dir, "train").pixels, expected)
    test_batch.unlink()
    assert np.array_equal(read_images(CIFAR10, cifar10_dir, "train").pixels, expected)


def test_train_and_test_part_of_every_format_are_different_files(cifar10_dir: Path, folder: DataRecipe, tmp_path: Path):
    for data, root in ((CIFAR10, cifar10_dir), (folder, tmp_path)):
        assert not set(source_files(data, root, "train")) & set(source_files(data, root, "test"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "data_batch_3 has no 'labels'"),
        ({"data": None}, "data_batch_3 has no 'data'"),
        ({"data": np.zeros((40, 3000), np.uint8)}, "data_batch_3: 'data' must be an array of N x 3072 uint8"),
        ({"data": np.zeros((40, 3072))}, "N x 3072 uint8"),
        ({"labels": [0] * 39}, r"200 images need as many integer labels but there are \(199,\)"),
        ({"labels": [0] * 39 + [10]}, "labels must be 0 to 9 but are 0 to 10"),
        ({"labels": [0.5] * 40}, "integer labels"),
    ],
)
def test_a_batch_that_is_not_as_described_is_refused(cifar10_dir: Path, changes: dict, message: str):
    rewrite(cifar10_dir / "cifar-10-batches-py" / "data_batch_3", **changes)
    with pytest.raises(ValueError, match=message):
        read_images(CIFAR10, cifar10_dir, "train")


@pytest.mark.parametrize(
    ("data", "missing", "wanted"),
    [
        (CIFAR10, "cifar-10-batches-py/data_batch_1", "official 'python version'"),
        (DataRecipe(name="cifar100"), "cifar-100-python/train", "official 'python version'"),
        (DataRecipe(name="npz", path="a.npz", size=4, channels=1, classes=2), "a.npz", "x_train, y_train"),
        (DataRecipe(name="folder", path="f", size=4, channels=1, classes=2), "f/train/<class>", "sub-folder of images"),
    ],
)
def test_absent_data_is_reported_with_what_to_put_where(tmp_path: Path, data: DataRecipe, missing: str, wanted: str):
    with pytest.raises(Unavailable) as report:
        read_images(data, tmp_path, "train")
    for part in (str(tmp_path / missing), wanted, "--data-dir", "$SWEEP_DATA"):
        assert part in str(report.value)


def test_digits_are_divided_once_and_for_all(tmp_path: Path):
    data = DataRecipe(name="digits")
    train, test = (read_images(data, tmp_path, part) for part in ("train", "test"))
    assert (len(train), len(test)) == (1500, 297)
    assert train.pixels.shape[1:] == (8, 8, 1)
    assert (train.pixels.min(), train.pixels.max()) == (0, 255)
    assert set(np.bincount(test.labels)) <= {28, 29, 30, 31}
    assert np.array_equal(read_images(data, tmp_path, "test").pixels, test.pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_npz_is_read_with_or_without_an_axis_of_channels(tmp_path: Path, channels: int):
    pixels = RANDOM.integers(0, 256, (6, 4, 4, channels), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", x_train=pixels if channels == 3 else pixels[..., 0], y_train=np.arange(6) % 2)
    images = read_images(
        DataRecipe(name="npz", path="own.npz", size=4, channels=channels, classes=2), tmp_path, "train"
    )
    assert np.array_equal(images.pixels, pixels)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(3)}, "no array 'x_train'; it has x"),
        (
            {"x_train": np.zeros((2, 5, 4, 3), np.uint8), "y_train": [0, 1]},
            r"expected images of \(4, 4, 3\) uint8 but got",
        ),
        ({"x_train": np.zeros((2, 4, 4, 3)), "y_train": [0, 1]}, "float64"),
        ({"x_train": np.zeros((2, 4, 4, 3), np.uint8), "y_train": [0, 2]}, "labels must be 0 to 1 but are 0 to 2"),
        ({"x_train": np.zeros((0, 4, 4, 3), np.uint8), "y_train": np.zeros(0, int)}, "train part is empty"),
        ({"x_train": np.array([{}, {}]), "y_train": [0, 1]}, "allow_pickle=False"),
    ],
)
def test_an_npz_that_is_not_as_described_is_refused(tmp_path: Path, arrays: dict, message: str):
    with pytest.raises(ValueError, match=message):
        read_images(npz(tmp_path, **arrays), tmp_path, "train")


def test_a_folder_of_images_is_resized_and_labelled_by_its_sub_folders(folder: DataRecipe, tmp_path: Path):
    images = read_images(folder, tmp_path, "train")
    assert images.pixels.shape == (6, 8, 8, 3)
    assert list(images.labels) == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(images.pixels[0, 0, 0], [200, 100, 0])
    assert np.abs(images.pixels[4, 7, 7].astype(int) - [0, 50, 250]).max() < 30  # a palette image


def test_a_folder_with_another_number_of_classes_is_refused(folder: DataRecipe, tmp_path: Path):
    with pytest.raises(ValueError, match=r"data\.classes is 3 but .* has 2 folders"):
        read_images(folder.model_copy(update={"classes": 3}), tmp_path, "train")


def test_a_test_folder_with_other_class_names_is_refused(folder: DataRecipe, tmp_path: Path):
    (tmp_path / "pets" / "test" / "dog").rename(tmp_path / "pets" / "test" / "ant")
    with pytest.raises(ValueError, match="must have the same folders as train/: cat, dog"):
        read_images(folder, tmp_path, "test")


@pytest.mark.parametrize(("pack", "name", "train", "test", "classes"), [
    ("cifar10-mini", "cifar10", 7500, 750, 10), ("cifar100-mini", "cifar100", 10_000, 2000, 100),
])  # fmt: skip
def test_real_cifar_is_read(unpacked: Callable[[str], Path], pack: str, name: str, train: int, test: int, classes: int):
    data, root = DataRecipe(name=name), unpacked(pack)
    for part, count in (("train", train), ("test", test)):
        images = read_images(data, root, part)
        assert images.pixels.shape == (count, 32, 32, 3)
        assert set(np.bincount(images.labels)) == {count // classes}
        assert np.allclose(images.pixels.mean((0, 1, 2)) / 255, [0.49, 0.48, 0.45], atol=0.03)
