"""Images without labels: layouts, formats, sizes, invalid files."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cifar_sweep.data import cache
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.formats.decode import fit_pixels
from cifar_sweep.data.unlabelled import load_unlabelled, read_unlabelled
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import Fit, UnlabelledRecipe
from sweeps.workload import Unavailable
from tests.cifar_sweep.artificial_data import make_cifar10, make_folder, make_stl10, make_unlabelled_pickle, pictures

CIFAR10 = DataRecipe(name="cifar10")
PICTURES = pictures(np.arange(6) % 10, 32, seed=4)


def dump(path: Path, content: Any) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


def save_images(folder: Path, pixels: np.ndarray) -> Path:
    folder.mkdir()
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"photo{number}.png")
    return folder


def as_pickle(folder: Path, **content: Any) -> Path:
    return dump(folder / "set.pkl", {"data": PICTURES, **content})


def as_npz(folder: Path, **content: Any) -> Path:
    np.savez(folder / "set.npz", data=PICTURES, **content)
    return folder / "set.npz"


@pytest.mark.parametrize("layout", ["NHWC", "NCHW", "rows"])
def test_the_layout_of_a_pickle_follows_from_its_shape(tmp_path: Path, layout: Any):
    images = read_unlabelled(make_unlabelled_pickle(tmp_path / "set.pkl", count=6, layout=layout), CIFAR10)
    assert np.array_equal(images.pixels, PICTURES)
    assert images.ids == ("0", "1", "2", "3", "4", "5")
    assert images.fit is None


@pytest.mark.parametrize(
    "ids", [[7, 1, 4, 2, 9, 3], list("abcdef"), np.arange(6), [b"a", b"b", b"c", b"d", b"e", b"f"]]
)
def test_ids_of_any_kind_become_text(tmp_path: Path, ids: Any):
    expected = tuple(value.decode() if isinstance(value, bytes) else str(value) for value in ids)
    assert read_unlabelled(as_pickle(tmp_path, ids=ids), CIFAR10).ids == expected


@pytest.mark.parametrize("key", ["data", "x", "x_test", "images"])
def test_an_npz_and_an_npy_are_read(tmp_path: Path, key: str):
    np.savez(tmp_path / "set.npz", **{key: PICTURES, "ids": np.array(list("abcdef"))})
    np.save(tmp_path / "set.npy", PICTURES)
    images = read_unlabelled(tmp_path / "set.npz", CIFAR10)
    assert np.array_equal(images.pixels, PICTURES)
    assert images.ids == tuple("abcdef")
    assert np.array_equal(read_unlabelled(tmp_path / "set.npy", CIFAR10).pixels, PICTURES)


def test_images_of_one_channel_need_no_axis_for_it(tmp_path: Path):
    dump(tmp_path / "set.pkl", {"data": np.zeros((3, 8, 8), np.uint8)})
    assert read_unlabelled(tmp_path / "set.pkl", DataRecipe(name="digits")).pixels.shape == (3, 8, 8, 1)


def test_a_flat_folder_is_read_in_the_order_of_its_names(tmp_path: Path):
    images = read_unlabelled(save_images(tmp_path / "set", PICTURES), CIFAR10)
    assert np.array_equal(images.pixels, PICTURES)
    assert images.ids == tuple(f"photo{number}" for number in range(6))


@pytest.mark.parametrize("name", ["photo.png", "photo.JPG"])
def test_a_single_image_is_read_without_a_folder(tmp_path: Path, name: str):
    Image.fromarray(PICTURES[0]).save(tmp_path / name, quality=95)
    unlabelled = read_unlabelled(tmp_path / name, CIFAR10)
    assert unlabelled.ids == ("photo",)
    assert np.abs(unlabelled.pixels[0] - PICTURES[0].astype(int)).mean() < 10  # JPEG loses a little


@pytest.mark.parametrize("path", ["stl10_binary", "stl10_binary/unlabeled_X.bin"])
def test_the_unlabelled_part_of_stl10_is_read(tmp_path: Path, path: str):
    make_stl10(tmp_path, per_class=1, test_per_class=1, unlabelled=4)
    images = read_unlabelled(tmp_path / path, DataRecipe(name="stl10"))
    assert np.array_equal(images.pixels, pictures(np.arange(4), 96, seed=3))


@pytest.mark.parametrize("write", [as_pickle, as_npz])
@pytest.mark.parametrize("key", ["labels", "fine_labels", "y"])
def test_a_set_with_labels_is_refused_with_a_pointer_to_evaluate(tmp_path: Path, write: Callable[..., Path], key: str):
    with pytest.raises(ValueError, match=f"has labels .under '{key}'.*naming it in the study's `evaluate`"):
        read_unlabelled(write(tmp_path, **{key: np.arange(6)}), CIFAR10)


def test_a_folder_with_a_sub_folder_per_class_is_refused(tmp_path: Path):
    make_folder(tmp_path / "pets", classes=2, size=32)
    with pytest.raises(ValueError, match=r"has images in sub-folders \(class_000/00000.png\), as a labelled set has"):
        read_unlabelled(tmp_path / "pets" / "test", CIFAR10)


class Attack:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("owned"),))


@pytest.mark.parametrize(("content", "message"), [
    (b"PK\x03\x04 a zip, say", "cannot be read: .* is not a whole pickle"),
    (b"", "cannot be read: .* is not a whole pickle"),
    (pickle.dumps(PICTURES), "holds an array, not a dictionary"),
    (pickle.dumps({"data": Attack()}), "refused to load"),
    (pickle.dumps({"pixels": PICTURES}), "one array under data, x, x_test, images; it has pixels"),
    (pickle.dumps({}), "it has nothing"),
    (pickle.dumps({"data": PICTURES, "x": PICTURES}), "one array under"),
    (pickle.dumps({"data": PICTURES.tolist()}), "must be an array of uint8, 0 to 255, but are a list"),
    (pickle.dumps({"data": PICTURES / 255}), "but are an array of float64"),
    (pickle.dumps({"data": PICTURES[..., :2]}), "or N rows of 3 square channels but the array is 6 x 32 x 32 x 2"),
    (pickle.dumps({"data": np.zeros((6, 3000), np.uint8)}), "but the array is 6 x 3000"),
    (pickle.dumps({"data": PICTURES[:0]}), "holds no image"),
    (pickle.dumps({"data": PICTURES, "ids": [1, 2]}), "6 images but 2 ids"),
    (pickle.dumps({"data": PICTURES, "ids": [1, 2, 3, 4, 5, 1]}), "ids must be unique but '1' names two images"),
])  # fmt: skip
def test_an_invalid_pickle_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set.pkl").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_unlabelled(tmp_path / "set.pkl", CIFAR10)
    assert not Path("owned").exists()


@pytest.mark.parametrize("name", ["set.npz", "set.npy", "set.bin"])
def test_a_broken_file_is_named(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"broken")
    with pytest.raises(ValueError, match=rf"{name} (is no {name[-4:]}|has 6 bytes)"):
        read_unlabelled(tmp_path / name, CIFAR10)


def test_an_absent_path_is_reported(tmp_path: Path):
    with pytest.raises(Unavailable, match=r"no unlabelled images at .*set\.pkl"):
        read_unlabelled(tmp_path / "set.pkl", CIFAR10)


@pytest.mark.parametrize("write", [as_pickle, lambda folder: save_images(folder / "set", PICTURES)])
def test_another_size_is_refused_with_both_sizes(tmp_path: Path, write: Callable[[Path], Path]):
    with pytest.raises(ValueError, match="32 x 32 pixels, but the network was trained on images of 96 x 96"):
        read_unlabelled(write(tmp_path), DataRecipe(name="stl10"))


def test_another_size_is_kept_for_the_resize_of_the_data(tmp_path: Path):
    images = read_unlabelled(as_pickle(tmp_path), DataRecipe(name="stl10", resize=64, center_crop=56))
    assert images.fit == Fit(64, 56)
    assert np.array_equal(images.pixels, PICTURES)


def test_a_set_of_the_resized_size_needs_no_fit(tmp_path: Path):
    assert read_unlabelled(as_pickle(tmp_path), DataRecipe(name="stl10", resize=32)).fit is None


def test_a_folder_of_several_sizes_is_decoded_to_the_size_of_the_network(tmp_path: Path):
    folder = save_images(tmp_path / "set", PICTURES)
    Image.fromarray(PICTURES[0]).resize((50, 40)).save(folder / "wide.png")
    images = read_unlabelled(folder, DataRecipe(name="cifar10", resize=48))
    assert images.pixels.shape == (7, 48, 48, 3)
    assert images.fit is None
    assert np.array_equal(images.pixels[:6], fit_pixels(PICTURES, Fit(48, None)))


@pytest.mark.parametrize("limit", [cache.ENLARGED_LIMIT_BYTES, 1000])
def test_images_for_training_have_the_form_of_the_training_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
):
    monkeypatch.setattr(cache, "ENLARGED_LIMIT_BYTES", limit)
    make_cifar10(tmp_path, per_class=5, test_per_class=1)
    make_unlabelled_pickle(tmp_path / "set.pkl", count=6)
    data = DataRecipe(name="cifar10", resize=48, unlabelled=UnlabelledRecipe(path="set.pkl"))
    images = load_images(data, tmp_path, "train")
    pixels = load_unlabelled(data, tmp_path, images).pixels
    assert pixels.shape == (6, *images.pixels.shape[1:3], 3)
    assert np.array_equal(pixels, PICTURES if images.fit else fit_pixels(PICTURES, Fit(48, None)))


def test_images_of_another_stored_size_than_the_training_images_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cache, "ENLARGED_LIMIT_BYTES", 1000)
    make_cifar10(tmp_path, per_class=5, test_per_class=1)
    make_unlabelled_pickle(tmp_path / "set.pkl", count=6, size=40)
    data = DataRecipe(name="cifar10", resize=48, unlabelled=UnlabelledRecipe(path="set.pkl"))
    with pytest.raises(ValueError, match=r"have 40 x 40 pixels, but the training images, .*, have 32 x 32"):
        load_unlabelled(data, tmp_path, load_images(data, tmp_path, "train"))
