"""The corruptions beside their definitions, and their independence of batches."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cifar_sweep.data import corruptions
from cifar_sweep.data.corruptions import CORRUPTIONS, corrupt
from cifar_sweep.data.formats import read_images
from cifar_sweep.recipe import DataRecipe

EVERY = [(kind, severity) for kind in CORRUPTIONS for severity in range(1, 6)]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The test part of the digits, (297, 8, 8, 1)."""
    return read_images(DataRecipe(name="digits"), tmp_path_factory.mktemp("none"), "test").pixels


def some_images(channels: int, size: int = 12, count: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def changes(pixels: np.ndarray, kind: str) -> list[float]:
    """The mean absolute change of a pixel at each severity, in grey levels."""
    return [float(np.abs(corrupt(pixels, kind, s) - pixels.astype(float)).mean()) for s in range(1, 6)]


@pytest.mark.parametrize(("kind", "severity"), EVERY)
@pytest.mark.parametrize("shape", [(7, 8, 8, 1), (3, 32, 32, 3), (2, 5, 5, 3), (1, 1, 1, 1), (2, 64, 64, 1)])
def test_images_keep_their_shape_and_type_and_the_input_is_unchanged(kind: str, severity: int, shape: tuple[int, ...]):
    pixels = some_images(shape[-1], shape[1], shape[0])
    before = pixels.copy()
    changed = corrupt(pixels, kind, severity)
    assert (changed.shape, changed.dtype, type(changed)) == (shape, np.uint8, np.ndarray)
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_the_change_of_the_digits_grows_with_severity(kind: str, digits: np.ndarray):
    sizes = changes(digits, kind)
    assert sizes[0] > 1
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_the_change_of_real_cifar_grows_with_severity(kind: str, unpacked: Callable[[str], Path]):
    images = read_images(DataRecipe(name="cifar10"), unpacked("cifar10-mini"), "test")
    sizes = changes(images.pixels[:300], kind)
    assert sizes[0] > 1
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(("kind", "severity"), EVERY)
def test_an_image_is_corrupted_alike_whatever_comes_after_it(kind: str, severity: int, digits: np.ndarray):
    assert np.array_equal(corrupt(digits, kind, severity)[:101], corrupt(digits[:101], kind, severity))


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_every_block_is_corrupted_and_noise_differs_between_blocks(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(corruptions, "BLOCK", 4)
    image = some_images(1, count=1)
    changed = corrupt(np.repeat(image, 10, axis=0), kind, 3)
    assert not any(np.array_equal(copy, image[0]) for copy in changed)
    assert np.array_equal(changed[0], changed[4]) == np.array_equal(changed[0], changed[9]) == (kind != "noise")


def test_noise_differs_between_severities_beyond_its_strength(digits: np.ndarray):
    grey = np.full((200, 8, 8, 1), 128, np.uint8)
    weak, strong = (corrupt(grey, "noise", severity).astype(float).ravel() - 128 for severity in (1, 5))
    assert abs(np.corrcoef(weak, strong)[0, 1]) < 0.05


@pytest.mark.parametrize("severity", range(1, 6))
def test_noise_is_gaussian_of_the_published_deviation(severity: int):
    grey = np.full((600, 16, 16, 3), 128, np.uint8)
    drawn = corrupt(grey, "noise", severity).astype(float) - 128
    assert drawn.std() == pytest.approx(255 * (0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1], rel=0.01)
    assert abs(drawn.mean()) < 0.3


@pytest.mark.parametrize(("size", "deviation"), [(9, 1.0), (33, 33 / 32), (65, 65 / 32)])
def test_blur_spreads_a_point_as_a_gaussian_in_proportion_to_the_image(size: int, deviation: float):
    point = np.zeros((1, size, size, 1), np.uint8)
    point[0, size // 2, size // 2] = 255
    spread = corrupt(point, "blur", 5)[0, :, :, 0].astype(float)
    row, centre = spread[size // 2], spread[size // 2, size // 2]
    assert row[size // 2 + 1] / centre == pytest.approx(np.exp(-0.5 / deviation**2), abs=0.03)
    assert np.array_equal(spread, spread.T)


def test_blur_keeps_images_and_channels_apart_and_a_flat_image_flat():
    pixels = np.zeros((3, 8, 8, 3), np.uint8)
    pixels[1, ..., 1] = 200
    assert np.array_equal(corrupt(pixels, "blur", 5), pixels)


@pytest.mark.parametrize(("severity", "share"), [(1, 0.75), (5, 0.15)])
def test_contrast_shrinks_distances_to_the_mean_of_each_channel(severity: int, share: float):
    pixels = some_images(3)
    changed = corrupt(pixels, "contrast", severity).astype(float)
    means = pixels.mean(axis=(1, 2), keepdims=True)
    assert np.abs(changed - (means + share * (pixels - means))).max() <= 0.51


def test_brightness_raises_the_value_and_keeps_hue_and_saturation():
    pixels = some_images(3)
    pixels[0, 0, 0] = 0  # black has no hue: it becomes grey
    changed = corrupt(pixels, "brightness", 4).reshape(-1, 3) / 255
    for before, after in zip(pixels.reshape(-1, 3) / 255, changed, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + 0.2)), abs=0.003)


def test_brightness_of_grey_images_is_an_addition():
    pixels = np.array([0, 10, 200, 255], np.uint8).reshape(1, 2, 2, 1)
    assert corrupt(pixels, "brightness", 4).ravel().tolist() == [51, 61, 251, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_what_a_file_of_that_quality_holds(channels: int, tmp_path: Path):
    pixels = some_images(channels, size=32)
    for image, changed in zip(pixels, corrupt(pixels, "jpeg", 5), strict=True):
        Image.fromarray(image if channels == 3 else image[..., 0]).save(tmp_path / "image.jpg", quality=40)
        with Image.open(tmp_path / "image.jpg") as stored:
            assert np.array_equal(np.asarray(stored), changed if channels == 3 else changed[..., 0])
