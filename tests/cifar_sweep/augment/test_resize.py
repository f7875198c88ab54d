"""Resizing once for the cache and batch by batch, beside torchvision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from cifar_sweep.augment.resize import apply_fit, resize, resize_bytes
from cifar_sweep.data import cache
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.formats import Images, read_images
from cifar_sweep.data.formats.decode import fit_pixels
from cifar_sweep.data.split import fingerprint
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import Fit
from cifar_sweep.schema import Shape
from tests.cifar_sweep.artificial_data import make_cifar10, pictures, shuffled_labels

PICTURES = pictures(shuffled_labels(10, 1), 96, seed=0)
FITS = [Fit(40, None), Fit(224, None), Fit(128, 112), Fit(None, 70), Fit(97, 50)]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return make_cifar10(tmp_path, per_class=5, test_per_class=2)


def enlarged_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "ENLARGED_LIMIT_BYTES", 1000)


@pytest.mark.parametrize(("settings", "stored", "size", "fit"), [
    ({"name": "cifar10"}, 32, 32, None),
    ({"name": "cifar10", "resize": 32}, 32, 32, None),
    ({"name": "cifar10", "resize": 96}, 32, 96, Fit(96, None)),
    ({"name": "stl10", "resize": 256, "center_crop": 224}, 96, 224, Fit(256, 224)),
    ({"name": "cifar10", "center_crop": 28}, 32, 28, Fit(None, 28)),
    ({"name": "digits", "resize": 16, "center_crop": 16}, 8, 16, Fit(16, None)),
    ({"name": "folder", "path": "f", "channels": 3, "classes": 2, "size": 64, "resize": 96}, 64, 96, Fit(96, None)),
    ({"name": "folder", "path": "f", "channels": 3, "classes": 2, "resize": 256, "center_crop": 224}, 224, 224, None),
])  # fmt: skip
def test_the_network_sees_the_size_after_resize_and_crop(settings: dict, stored: int, size: int, fit: Fit | None):
    data = DataRecipe.model_validate(settings)
    assert data.stored.size == stored
    assert data.shape == Shape(data.stored.channels, size, data.stored.classes)
    assert data.fit == fit


def test_resized_images_are_cached_once_at_their_new_size(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    data = DataRecipe(name="cifar10", resize=96)
    stored = read_images(data, data_dir, "train")
    images = load_images(data, data_dir, "train")
    assert images.fit is None
    assert images.pixels.shape == (50, 96, 96, 4)
    assert np.array_equal(images.pixels[..., :3], fit_pixels(stored.pixels, Fit(96, None)))
    monkeypatch.setattr(cache, "read_images", None)
    assert isinstance(load_images(data, data_dir, "train").pixels, np.memmap)


def test_each_size_has_its_own_cached_copy(data_dir: Path):
    sizes = [load_images(DataRecipe(name="cifar10", resize=side), data_dir, "train").pixels.shape[1] for side in (8, 9)]
    assert sizes == [8, 9]
    assert load_images(DataRecipe(name="cifar10"), data_dir, "train").pixels.shape[1] == 32


def test_images_above_the_limit_are_kept_as_stored_with_their_fit(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    enlarged_by_batch(monkeypatch)
    data = DataRecipe(name="cifar10", resize=96, center_crop=84)
    for _ in ("written", "read again"):
        images = load_images(data, data_dir, "train")
        assert images.pixels.shape == (50, 32, 32, 4)
        assert images.fit == Fit(96, 84)


def test_images_that_shrink_are_cached_whatever_their_number(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    enlarged_by_batch(monkeypatch)
    images = load_images(DataRecipe(name="cifar10", resize=24), data_dir, "train")
    assert images.pixels.shape[1] == 24
    assert images.fit is None


def test_without_a_writable_cache_the_same_images_come_from_memory(data_dir: Path):
    data = DataRecipe(name="cifar10", resize=48)
    cached = load_images(data, data_dir, "test").pixels.copy()
    (data_dir / cache.FOLDER).rename(data_dir / "away")
    (data_dir / cache.FOLDER).write_text("in the way")
    assert np.array_equal(load_images(data, data_dir, "test").pixels, cached)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_batch_resized_on_a_cpu_equals_the_cache_exactly_where_it_grows(fit: Fit, channels: int):
    pixels = np.pad(PICTURES, ((0, 0), (0, 0), (0, 0), (0, 1)))[..., :channels]
    ours = apply_fit(torch.from_numpy(pixels.copy()), fit).numpy()
    differences = ours[..., :3].astype(int) - fit_pixels(pixels[..., :3], fit)
    shrinks = fit.resize is not None and fit.resize < 96
    assert np.abs(differences).max() <= (1 if shrinks else 0)
    assert ours.shape[-1] == channels


@pytest.mark.parametrize("size", [40, 96, 224])
def test_resizing_through_floating_point_differs_by_one_level_at_most(size: int):
    planes = torch.from_numpy(PICTURES).permute(0, 3, 1, 2)
    differences = resize_bytes(planes, size).int() - resize(planes, size).int()
    assert differences.abs().max() <= 1
    assert abs(differences.float().mean()) < 0.05  # neither brighter nor darker


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_batch_resized_on_a_gpu_equals_the_cpu_within_one_level():
    pixels = torch.from_numpy(PICTURES)
    differences = apply_fit(pixels.cuda(), Fit(128, 112)).cpu().int() - apply_fit(pixels, Fit(128, 112)).int()
    assert differences.abs().max() <= 1


@pytest.mark.parametrize("fit", FITS)
def test_fitted_pixels_are_those_of_torchvision(fit: Fit):
    steps = [v2.Resize((fit.resize, fit.resize), antialias=True)] if fit.resize else []
    steps += [v2.CenterCrop(fit.crop)] if fit.crop else []
    theirs = v2.Compose(steps)(torch.from_numpy(PICTURES).permute(0, 3, 1, 2).contiguous())
    ours = fit_pixels(PICTURES, fit).transpose(0, 3, 1, 2)
    assert np.abs(ours.astype(int) - theirs.numpy()).max() <= 1


def test_a_batch_without_a_fit_is_returned_unchanged():
    pixels = torch.from_numpy(PICTURES)
    assert apply_fit(pixels, None) is pixels


def test_an_enlarged_constant_stays_constant_and_a_shrunk_checkerboard_becomes_gray():
    assert torch.allclose(resize(torch.full((1, 3, 32, 32), 0.25), 96), torch.tensor(0.25))
    board = (torch.arange(32)[:, None] + torch.arange(32)) % 2
    assert torch.allclose(resize(board[None, None].float(), 8)[..., 2:-2, 2:-2], torch.tensor(0.5), atol=0.02)


def test_a_fingerprint_depends_on_size_and_classes(data_dir: Path):
    names = [
        fingerprint(load_images(DataRecipe(name="cifar10", **settings), data_dir, "train"), 3)
        for settings in (
            {},
            {"resize": 48},
            {"center_crop": 30},
            {"subset": ["cat", "dog"]},
            {"subset": ["dog", "cat"]},
        )
    ]
    assert len(set(names)) == 5


def test_a_fingerprint_depends_on_the_fit():
    fits = (None, Fit(224, None), Fit(256, 224))
    names = {fingerprint(Images(PICTURES, np.arange(10), fit), 3) for fit in fits}
    assert len(names) == 3
