"""Reworked copies are found by their hashes and pixels, other images are not."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from cifar_sweep.data.duplicates.hashes import hash_images
from cifar_sweep.data.duplicates.near import ALIKE, bar_of, near_duplicates
from cifar_sweep.data.duplicates.views import reduced
from cifar_sweep.data.formats import Images
from cifar_sweep.recipe.data import Fit
from sweeps.workload import exact_pairs, near_candidates


def images(pixels: np.ndarray, fit: Fit | None = None) -> Images:
    return Images(np.ascontiguousarray(pixels), np.zeros(len(pixels), np.int64), fit)


def near(first: np.ndarray, second: np.ndarray) -> set[tuple[int, int]]:
    """The pairs of near duplicates of two sets."""
    ones, others, channels = images(first), images(second), first.shape[-1]
    pairs = near_candidates(hash_images(ones, channels), hash_images(others, channels)).pairs
    confirmed = near_duplicates(ones, others, pairs, channels, bar_of(ones, channels))
    return set(map(tuple, pairs[confirmed].tolist()))


def compressed(pixels: np.ndarray) -> np.ndarray:
    files = [io.BytesIO() for _ in pixels]
    for image, file in zip(pixels, files, strict=True):
        Image.fromarray(image).save(file, "JPEG", quality=75)
    return np.stack([np.asarray(Image.open(file)) for file in files])


def one_pixel(pixels: np.ndarray) -> np.ndarray:
    changed = pixels.copy()
    changed[:, 3, 4] ^= 255
    return changed


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mirrored": lambda pixels: pixels[:, :, ::-1],
    "shifted": lambda pixels: np.pad(pixels, ((0, 0), (1, 0), (2, 0), (0, 0)), "edge")[:, :32, :32],
    "compressed": compressed,
    "one pixel": one_pixel,
    "darker": lambda pixels: (pixels * 0.8).astype(np.uint8),
    "mirrored and compressed": lambda pixels: compressed(np.ascontiguousarray(pixels[:, :, ::-1])),
}


@pytest.mark.parametrize("change", CHANGES)
def test_reworked_copies_are_found_and_nothing_else(different: np.ndarray, change: str):
    found = near(different, CHANGES[change](different[:60]))
    assert len(found) >= 54
    assert all(first == second for first, second in found)


def test_other_images_are_no_duplicates(different: np.ndarray):
    assert near(different[:60], different[60:]) == set()


def test_digits_of_one_kind_are_no_duplicates_but_a_digit_with_one_pixel_changed_is():
    from sklearn.datasets import load_digits

    digits = np.rint(load_digits().images[:600] * (255 / 16)).astype(np.uint8)[..., None]
    assert near(digits[:300], digits[300:]) == set()
    found = near(digits[:300], one_pixel(digits[:300]))
    assert len(found) > 290
    assert all(first == second for first, second in found)


def test_bar_is_higher_where_all_images_are_alike(different: np.ndarray):
    shapes = np.zeros((40, 32, 32, 1), np.uint8)
    for number in range(40):
        shapes[number, 4 : 20 + number % 7, 8 : 20 + number % 5] = 255
    assert bar_of(images(different), 3) == ALIKE < bar_of(images(shapes), 1)


def test_blank_images_are_compared(different: np.ndarray):
    blank = np.zeros((3, 32, 32, 3), np.uint8)
    blank[1] += 100
    blank[2, 5, 5] = 255
    assert near(np.concatenate([blank, different]), blank) == {(0, 2), (2, 0)}, "equal ones are no near ones"


def test_exact_hashes_are_those_of_the_pixels_alone(different: np.ndarray):
    padded = np.pad(different, ((0, 0), (0, 0), (0, 0), (0, 1)))
    hashes = [hash_images(images(pixels), 3) for pixels in (different, padded, one_pixel(different))]
    assert np.array_equal(hashes[0].exact, hashes[1].exact)
    assert not (hashes[0].exact == hashes[2].exact).all(axis=1).any()
    assert len(np.unique(hashes[0].exact, axis=0)) == len(different)


def test_second_hash_is_that_of_the_mirror_image(different: np.ndarray):
    hashes, mirrored = (hash_images(images(pixels), 3).perceptual for pixels in (different, different[:, :, ::-1]))
    assert np.array_equal(hashes, mirrored[:, ::-1])


def test_images_are_hashed_as_the_network_sees_them(different: np.ndarray):
    fit = Fit(48, 40)
    resized = np.stack([
        np.asarray(Image.fromarray(image).resize((48, 48), Image.Resampling.BILINEAR).crop((4, 4, 44, 44)))
        for image in different[:5]
    ])  # fmt: skip
    later = hash_images(images(different[:5], fit), 3)
    assert np.array_equal(later.exact, hash_images(images(resized), 3).exact)


@pytest.mark.parametrize(("side", "expected"), [(8, 8), (32, 32), (63, 63), (64, 32), (100, 33), (224, 32)])
def test_large_images_are_averaged_down_by_a_whole_factor(side: int, expected: int):
    pixels = np.random.default_rng(0).integers(0, 256, (2, side, side, 3)).astype(np.uint8)
    small, factor = reduced(pixels), side // expected
    assert small.shape == (2, expected, expected, 3)
    start = (side - expected * factor) // 2
    corner = pixels[:, start : start + factor, start : start + factor].reshape(2, -1, 3)
    assert np.array_equal(small[:, 0, 0], corner.astype(int).sum(axis=1) // factor**2)


def test_large_images_are_found_mirrored(different: np.ndarray):
    large = different[:20].repeat(3, axis=1).repeat(3, axis=2)
    assert near(large, large[:, :, ::-1]) == {(number, number) for number in range(20)}


def test_equal_images_are_exact_pairs(alike: tuple[np.ndarray, np.ndarray]):
    hashes = hash_images(images(np.concatenate([alike[0], alike[0][:7]])), 3)
    assert exact_pairs(hashes).tolist() == [[number, 60 + number] for number in range(7)]
