"""Each format of labelled images: reading it, and refusing invalid files."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from torchvision.transforms import v2

from cifar_sweep.data.formats import class_names, read_images, source_files
from cifar_sweep.data.unlabelled import read_unlabelled
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import READING
from sweeps.workload import Unavailable
from tests.cifar_sweep.artificial_data import make_folder, pictures

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
    return DataRecipe(name="folder", path="pets", size=8, channels=3, classes=2, reading=READING)


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
    ("data", "missing", "hint"),
    [
        (CIFAR10, "cifar-10-batches-py/data_batch_1", "official 'python version'"),
        (DataRecipe(name="cifar100"), "cifar-100-python/train", "official 'python version'"),
        (DataRecipe(name="npz", path="a.npz", size=4, channels=1, classes=2), "a.npz", "x_train, y_train"),
        (DataRecipe(name="folder", path="f", size=4, channels=1, classes=2), "f/train/<class>", "sub-folder of images"),
    ],
)
def test_absent_data_is_reported_with_the_files_to_put_there(tmp_path: Path, data: DataRecipe, missing: str, hint: str):
    with pytest.raises(Unavailable) as report:
        read_images(data, tmp_path, "train")
    for part in (str(tmp_path / missing), hint, "--data-dir", "$SWEEP_DATA"):
        assert part in str(report.value)


def test_digits_have_a_fixed_test_part(tmp_path: Path):
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


def announced(path: Path, size: int) -> None:
    """Say in the table of the archive at `path` that its first file is `size` bytes long."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.filelist[0].file_size = size
        archive.comment = b"written anew"


def test_an_archive_that_would_not_fit_into_memory_is_refused_before_it_is_unpacked(tmp_path: Path):
    data = npz(tmp_path, x_train=np.zeros((2, 4, 4, 3), np.uint8), y_train=[0, 1])
    announced(tmp_path / str(data.path), 1 << 50)
    with pytest.raises(ValueError, match=r"unpacked it takes 1048576\.0 GiB"):
        read_images(data, tmp_path, "train")


@pytest.mark.parametrize("name", ["own.npz", "own.npy"])
def test_an_array_that_announces_more_than_the_memory_is_refused(tmp_path: Path, name: str):
    data = npz(tmp_path, x_train=np.zeros((2, 4, 4, 3), np.uint8), y_train=[0, 1])
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 50, 4, 4, 3)})
    if name == "own.npy":
        (tmp_path / name).write_bytes(header.getvalue())
        with pytest.raises(ValueError, match=r"own\.npy is no \.npy of a plain array"):
            read_unlabelled(tmp_path / name, data)
        return
    with zipfile.ZipFile(tmp_path / str(data.path), "w") as archive:
        archive.writestr("x_train.npy", header.getvalue())
        archive.writestr("y_train.npy", header.getvalue())
    with pytest.raises(ValueError, match=r"is no \.npz of plain arrays"):
        read_images(data, tmp_path, "train")


def test_an_image_that_announces_an_enormous_size_is_refused_before_it_is_decoded(folder: DataRecipe, tmp_path: Path):
    file = tmp_path / "pets" / "train" / "cat" / "1.PNG"
    content = bytearray(file.read_bytes())
    content[16:24] = struct.pack(">II", 60_000, 60_000)  # width and height, and their checksum
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"1\.PNG cannot be decoded: Image size \(3600000000 pixels\) exceeds limit"):
        read_images(folder, tmp_path, "train")


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


def test_a_folder_of_200_classes_in_several_formats_and_sizes_is_read(tmp_path: Path):
    make_folder(tmp_path / "made", classes=200, size=24, per_class=2)
    data = DataRecipe(name="folder", path="made", size=24, channels=3, classes=200)
    images = read_images(data, tmp_path, "train")
    assert images.pixels.shape == (400, 24, 24, 3)
    assert set(np.bincount(images.labels)) == {2}
    assert class_names(data, tmp_path) == tuple(f"class_{number:03}" for number in range(200))
    drawn = pictures(np.repeat(np.arange(200), 2), 24, seed=1)
    assert np.array_equal(images.pixels[::4], drawn[::4])  # those that were written as PNG at this size


def test_some_classes_of_a_folder_are_read_without_opening_the_others(folder: DataRecipe, tmp_path: Path):
    (tmp_path / "pets" / "train" / "cat" / "0.bmp").write_bytes(b"broken")
    (tmp_path / "pets" / "train" / "eel").mkdir()
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "pets" / "train" / "eel" / "0.png")
    data = folder.model_copy(update={"classes": 3, "subset": ("eel", 1)})
    images = read_images(data, tmp_path, "train")
    assert list(images.labels) == [1, 1, 1, 0]
    assert class_names(data, tmp_path) == ("eel", "dog")


def test_a_folder_decoded_straight_to_its_size_keeps_proportions_with_a_center_crop(tmp_path: Path):
    (tmp_path / "f" / "train" / "a").mkdir(parents=True)
    (tmp_path / "f" / "train" / "b").mkdir()
    photo = Image.fromarray(pictures(np.arange(1), 80, seed=0)[0]).resize((100, 80))
    for label in "ab":
        photo.save(tmp_path / "f" / "train" / label / "0.png")
    data = DataRecipe(name="folder", path="f", channels=3, classes=2, resize=32, center_crop=28)
    theirs = v2.Compose([v2.Resize(32), v2.CenterCrop(28)])(photo)
    assert np.array_equal(read_images(data, tmp_path, "train").pixels[0], np.asarray(theirs))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_a_truncated_image_is_named(folder: DataRecipe, tmp_path: Path, suffix: str):
    file = tmp_path / "pets" / "train" / "dog" / f"9.{suffix}"
    Image.fromarray(pictures(np.arange(1), 64, seed=0)[0]).save(file)
    file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(ValueError, match=rf"{file} cannot be decoded: "):
        read_images(folder, tmp_path, "train")


def test_an_image_of_more_than_8_bits_is_refused_instead_of_being_clipped(folder: DataRecipe, tmp_path: Path):
    file = tmp_path / "pets" / "train" / "dog" / "9.png"
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(file)
    with pytest.raises(ValueError, match=r"9\.png cannot be decoded: it has pixels of mode I;16, not of 8 bits"):
        read_images(folder, tmp_path, "train")


def test_hidden_files_and_folders_are_no_images_and_no_classes(folder: DataRecipe, tmp_path: Path):
    (tmp_path / "pets" / "train" / ".thumbnails").mkdir()
    (tmp_path / "pets" / "train" / "cat" / "._0.png").write_bytes(b"not an image")
    assert len(read_images(folder, tmp_path, "train")) == 6


@pytest.mark.parametrize(("subset", "classes"), [([2, 0], [2, 0]), (["c", "a"], [2, 0]), (["b", 0], [1, 0])])
def test_a_subset_of_an_npz_is_given_by_name_or_index(tmp_path: Path, subset: list, classes: list[int]):
    arrays = {"x_train": np.arange(6, dtype=np.uint8)[:, None, None], "y_train": np.array([0, 1, 2, 2, 1, 0])}
    np.savez(tmp_path / "own.npz", **arrays, class_names=np.array(["a", "b", "c"]))
    data = DataRecipe(name="npz", path="own.npz", size=1, channels=1, classes=3, subset=subset)
    images = read_images(data, tmp_path, "train")
    kept = np.isin(arrays["y_train"], classes)
    assert list(images.pixels.ravel()) == list(arrays["x_train"].ravel()[kept])
    assert [classes[label] for label in images.labels] == list(arrays["y_train"][kept])
    assert class_names(data, tmp_path) == tuple("abc"[index] for index in classes)


@pytest.mark.parametrize(("subset", "message"), [
    (["a", "b"], "subset names the class 'a' but the data does not name its classes: give indices from 0"),
    ([1, 2], r"data\.subset is \[1, 2\] but the data has no image of these classes"),
])  # fmt: skip
def test_classes_that_an_npz_does_not_have_are_refused(tmp_path: Path, subset: list, message: str):
    np.savez(tmp_path / "own.npz", x_train=np.zeros((2, 4, 4), np.uint8), y_train=np.zeros(2, int))
    data = DataRecipe(name="npz", path="own.npz", size=4, channels=1, classes=3, subset=subset)
    with pytest.raises(ValueError, match=message):
        read_images(data, tmp_path, "train")


@pytest.mark.parametrize(("settings", "message"), [
    ({"name": "cifar10", "subset": ["car", "cat"]}, "no class is called 'car'; nearest: cat"),
    ({"name": "stl10", "subset": ["horse", "monky"]}, "no class is called 'monky'; nearest: monkey"),
    ({"name": "stl10", "subset": ["car", 2]}, "subset names class 2 twice"),
    ({"name": "stl10", "subset": [0, 10]}, "a class index must be 0 to 9 but is 10"),
    ({"name": "stl10", "subset": [0, -1]}, "a class index must be 0 to 9 but is -1"),
    ({"name": "stl10", "subset": ["car"]}, "at least 2 items"),
    ({"name": "stl10", "subset": [0, 1.5]}, "give the name of a class or its index from 0"),
    ({"name": "cifar10", "center_crop": 33}, "center_crop is 33 but the images have 32 pixels a side"),
    ({"name": "cifar10", "resize": 0}, "greater than or equal to 1"),
    ({"name": "folder", "path": "f", "channels": 3, "classes": 2}, "name is folder but size is missing"),
    ({"name": "npz", "path": "f", "channels": 3, "classes": 2, "resize": 8}, "name is npz but size is missing"),
    ({"unlabelled": {}}, "give either path or share; path is None and share is None"),
    ({"unlabelled": {"path": "p", "share": 0.5}}, "give either path or share"),
    ({"unlabelled": {"share": 1.0}}, "less than 1"),
])  # fmt: skip
def test_invalid_settings_are_refused(settings: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        DataRecipe.model_validate(settings)


@pytest.mark.parametrize("settings", [
    {"name": "stl10", "subset": ["car", 4], "resize": 48, "center_crop": 40},
    {"unlabelled": {"share": 0.8}},
    {"unlabelled": {"path": "set.pkl"}},
])  # fmt: skip
def test_settings_survive_json(settings: dict):
    data = DataRecipe.model_validate(settings)
    assert DataRecipe.model_validate(json.loads(json.dumps(data.model_dump(mode="json")))) == data


@pytest.mark.parametrize("name", ["digits", "cifar10", "cifar100", "stl10"])
def test_the_classes_of_a_named_set_have_names_without_a_file(tmp_path: Path, name: str):
    data = DataRecipe(name=name)
    names = class_names(data, tmp_path)
    assert len(set(names)) == data.shape.classes
    assert list(names) == sorted(names)  # all four happen to be in the order of the alphabet


def test_the_names_of_cifar_are_those_of_its_meta_file(cifar10_dir: Path):
    meta = cifar10_dir / "cifar-10-batches-py" / "batches.meta"
    meta.write_bytes(pickle.dumps({b"label_names": [f"name{index}".encode() for index in range(10)]}))
    assert class_names(CIFAR10, cifar10_dir)[:2] == ("name0", "name1")


def test_data_without_class_names_has_none(tmp_path: Path):
    assert class_names(npz(tmp_path, x_train=np.zeros(1)), tmp_path) == ()
    assert class_names(DataRecipe(name="npz", path="absent", size=4, channels=3, classes=2), tmp_path) == ()


def test_a_file_that_is_no_npz_is_refused_without_advice_to_trust_it(tmp_path: Path):
    (tmp_path / "own.npz").write_bytes(pickle.dumps({"x_train": [1]}))
    data = DataRecipe(name="npz", path="own.npz", size=4, channels=3, classes=2)
    with pytest.raises(ValueError, match=r"own\.npz is no \.npz$"):
        read_images(data, tmp_path, "train")


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


def test_a_tilde_in_the_path_of_ones_own_images_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_folder(tmp_path / "images", classes=2, size=8)
    monkeypatch.setenv("HOME", str(tmp_path))
    data = DataRecipe(name="folder", path="~/images", size=8, channels=3, classes=2)
    assert len(read_images(data, Path("elsewhere"), "train")) == 4
