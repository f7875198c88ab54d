"""The distributions of the operations' draws. Seeds are fixed, so a test fails always or never."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.nn.functional import pad

from cifar_sweep.augment.operations.geometric import place_spans
from cifar_sweep.augment.operations.registry import OPERATIONS
from cifar_sweep.augment.operations.step import Step
from cifar_sweep.augment.policies import AUG_MIX, RAND_AUGMENT, TRIVIAL_AUGMENT
from tests.cifar_sweep.augment.support import changed_by, operation
from tests.cifar_sweep.real_images import digits, photos

COUNT = 20_000
UNLIKELY = 1e-3  # p-values below this: the distribution is not the expected one


def drawn(name: str, **settings: Any) -> dict[str, Tensor]:
    return dict(operation(name, **settings).draw(COUNT, np.random.default_rng(5)))


def assert_uniform(values: Tensor, low: float, high: float) -> None:
    assert stats.kstest(values.double().numpy(), "uniform", (low, high - low)).pvalue > UNLIKELY


def assert_evenly_spread(values: Tensor, kinds: int) -> None:
    seen = np.bincount(values.flatten().numpy(), minlength=kinds)
    assert len(seen) == kinds
    assert stats.chisquare(seen).pvalue > UNLIKELY


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_the_share_of_images_touched_is_p(name: str, p: float):
    step = Step.of_epoch(name, operation(name, p=p), COUNT, seed=3, epoch=2, size=32)
    deviation = (COUNT * p * (1 - p)) ** 0.5
    assert abs(int(step.touched.sum()) - COUNT * p) <= 4 * deviation


UNIFORM = {
    "rotation degrees": ("rotation", {"degrees": 20}, "degrees", -20, 20),
    "rotation range": ("rotation", {"degrees": [30, 60]}, "degrees", 30, 60),
    "affine degrees": ("affine", {"degrees": [-5, 25]}, "degrees", -5, 25),
    "affine shift": ("affine", {"translate": 0.2}, "shift", -0.2, 0.2),
    "affine scale": ("affine", {"scale": [0.5, 1.25]}, "scale", 0.5, 1.25),
    "affine shear": ("affine", {"shear": 12}, "shear", -12, 12),
    "perspective corners": ("perspective", {"distortion": 0.6}, "inwards", 0, 0.3),
    "brightness": ("color_jitter", {"brightness": 0.4}, "brightness", 0.6, 1.4),
    "contrast": ("color_jitter", {"contrast": 0.1}, "contrast", 0.9, 1.1),
    "saturation": ("color_jitter", {"saturation": 0.7}, "saturation", 0.3, 1.7),
    "hue": ("color_jitter", {"hue": 0.1}, "hue", -0.1, 0.1),
    "added brightness": ("brightness_contrast", {"brightness": 0.3}, "brightness", -0.3, 0.3),
    "multiplied contrast": ("brightness_contrast", {"contrast": 0.3}, "contrast", 0.7, 1.3),
    "rgb shift": ("rgb_shift", {"shift": 0.25}, "shift", -0.25, 0.25),
    "blur": ("blur", {"sigma": [0.5, 1.5]}, "sigma", 0.5, 1.5),
    "motion length": ("motion_blur", {"length": [3, 9]}, "length", 3, 9),
    "motion angle": ("motion_blur", {}, "angle", 0, np.pi),
    "iso colour": ("iso_noise", {"color_shift": [0.02, 0.1]}, "color_shift", 0.02, 0.1),
    "iso intensity": ("iso_noise", {"intensity": [0.2, 0.7]}, "intensity", 0.2, 0.7),
    "cutout centre": ("cutout", {}, "row", 0, 1),
    "crop place": ("resized_crop", {}, "left", 0, 1),
    "erasing place": ("erasing", {}, "top", 0, 1),
}


@pytest.mark.parametrize("case", UNIFORM)
def test_strengths_are_uniform_over_their_range(case: str):
    name, settings, draw, low, high = UNIFORM[case]
    values = drawn(name, **settings)[draw]
    assert_uniform(values.reshape(COUNT, -1)[:, 0], low, high)
    columns = values.reshape(COUNT, -1).double().numpy().T
    if len(columns) > 1:  # several numbers per image are uncorrelated
        assert np.abs(np.corrcoef(columns) - np.eye(len(columns))).max() < 0.035
    assert values.min() >= low - 1e-6
    assert values.max() <= high + 1e-6


def test_the_draws_of_an_operation_are_independent():
    draws = drawn("color_jitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2)
    together = np.corrcoef(np.stack([values.numpy() for values in draws.values()]))
    assert np.abs(together - np.eye(4)).max() < 0.035


def test_jpeg_qualities_are_evenly_spread_both_ends_included():
    quality = drawn("jpeg", quality=[30, 39])["quality"]
    assert_evenly_spread(quality - 30, 10)


@pytest.mark.parametrize(
    ("name", "first", "second"), [("resized_crop", "width", "height"), ("erasing", "height", "width")]
)
def test_rectangles_that_always_fit_have_uniform_areas_and_log_uniform_shapes(name: str, first: str, second: str):
    draws = drawn(name, scale=[0.05, 0.4], ratio=[0.5, 2.0])
    assert_uniform(draws[first].double() * draws[second], 0.05, 0.4)
    assert_uniform((draws[first] / draws[second]).double().log(), -np.log(2), np.log(2))


def test_torchvision_draws_crops_of_the_same_sizes():
    from torchvision.transforms import RandomResizedCrop

    torch.manual_seed(0)
    image, count = torch.zeros(3, 64, 64), 3000
    theirs = [RandomResizedCrop.get_params(image, [0.08, 1.0], [0.75, 4 / 3]) for _ in range(count)]
    draws = drawn("resized_crop", scale=[0.08, 1.0], ratio=[0.75, 4 / 3])
    left, width = place_spans(draws["width"], draws["left"], 64)
    top, height = place_spans(draws["height"], draws["top"], 64)
    for ours, part in ((top, 0), (left, 1), (height, 2), (width, 3), (width * height, None)):
        reference = [box[2] * box[3] if part is None else box[part] for box in theirs]
        assert stats.ks_2samp(ours.numpy(), reference).pvalue > UNLIKELY


def test_a_crop_that_cannot_fit_is_the_largest_of_an_allowed_shape():
    draws = drawn("resized_crop", scale=[1, 1], ratio=[2, 4])
    assert draws["width"].unique().tolist() == [1.0]
    assert draws["height"].unique().tolist() == [0.5]


def test_erased_areas_have_the_drawn_mean_and_reach_every_pixel():
    images, applied = torch.ones(2000, 1, 16, 16), operation("erasing", scale=[0.1, 0.3], ratio=[0.5, 2], value=0.0)
    erased = changed_by(applied, images, applied.draw(2000, np.random.default_rng(0))) == 0
    assert float(erased.float().mean()) == pytest.approx(0.2, abs=0.005)
    assert erased.any(0).all()
    by_row = erased.float().mean((0, 1, 3))
    torch.testing.assert_close(by_row, by_row.flip(0), rtol=0, atol=0.03)


def test_cutout_covers_its_whole_square_only_away_from_the_border():
    images, applied = torch.ones(4000, 1, 32, 32), operation("cutout", size=16, value=0.0)
    area = (changed_by(applied, images, applied.draw(4000, np.random.default_rng(0))) == 0).sum((1, 2, 3))
    assert area.max() == 256
    assert area.min() == 64  # centred in the upper left corner
    inside = 17 * 17 / 32**2  # centres from row 8 to 24 lose nothing
    assert float((area == 256).float().mean()) == pytest.approx(inside, abs=0.04)


def test_policies_draw_operations_and_levels_evenly():
    assert_evenly_spread(drawn("rand_augment", operations=3)["operation"], len(RAND_AUGMENT))
    trivial = drawn("trivial_augment")
    assert_evenly_spread(trivial["operation"], len(TRIVIAL_AUGMENT))
    assert_evenly_spread((trivial["level"] * 30).round().long(), 31)
    assert_evenly_spread((trivial["sign"] > 0).long(), 2)


def test_aug_mix_draws_depths_evenly_and_its_weights_add_up():
    draws = drawn("aug_mix", severity=5, alpha=1.0)
    acted = draws["operation"] >= 0
    assert_evenly_spread(acted.sum(2) - 1, 3)
    assert_evenly_spread(draws["operation"][acted], len(AUG_MIX))
    assert_evenly_spread((draws["level"] * 9).round().long(), 5)
    torch.testing.assert_close(draws["weight"].sum(1), torch.ones(COUNT))
    assert stats.kstest(draws["weight"][:, 0].numpy(), "beta", (1, 2)).pvalue > UNLIKELY
    assert_uniform(draws["share"], 0, 1)


def test_a_given_depth_is_that_of_every_chain():
    assert (drawn("aug_mix", depth=2)["operation"] >= 0).all()
    assert drawn("aug_mix", depth=2)["operation"].shape == (COUNT, 3, 2)


@pytest.mark.parametrize("name", ["rotation", "blur", "jpeg", "erasing", "rand_augment"])
def test_strengths_change_only_the_scale_of_the_draws(name: str):
    weak, strong = {
        "rotation": ({"degrees": 10}, {"degrees": 20}),
        "blur": ({"sigma": [0.5, 1.0]}, {"sigma": [1.0, 2.0]}),
        "jpeg": ({"quality": [80, 90]}, {"quality": [50, 60]}),
        "erasing": ({"scale": [0.1, 0.2]}, {"scale": [0.1, 0.3]}),
        "rand_augment": ({"magnitude": 3}, {"magnitude": 20}),
    }[name]
    for values, others in zip(drawn(name, **weak).values(), drawn(name, **strong).values(), strict=True):
        ranks = [stats.rankdata(draws.double().numpy().ravel()) for draws in (values, others)]
        assert np.corrcoef(ranks)[0, 1] > 0.95


def test_a_lower_p_touches_some_of_the_same_images():
    rare, often = (Step.of_epoch("jpeg", operation("jpeg", p=p), COUNT, 3, 2, 32).touched for p in (0.2, 0.6))
    assert not (rare & ~often).any()


@pytest.mark.parametrize("kind", ["photos", "digits"])
@pytest.mark.parametrize(("name", "settings"), [("blur", {"sigma": [1, 1]}), ("motion_blur", {"length": [5, 5]})])
def test_blurs_keep_the_mean_and_lower_the_variance(kind: str, name: str, settings: dict[str, Any]):
    before = pad(photos(8) if kind == "photos" else digits(8), [4] * 4)  # a black border as wide as the blur reaches
    applied = operation(name, **settings)
    after = changed_by(applied, before, applied.draw(8, np.random.default_rng(0)))
    torch.testing.assert_close(after.mean((1, 2, 3)), before.mean((1, 2, 3)))
    assert (after.var((1, 2, 3)) < before.var((1, 2, 3))).all()
    flat = torch.full_like(before, 0.3)
    torch.testing.assert_close(changed_by(applied, flat, applied.draw(8, np.random.default_rng(0))), flat)


def test_jpeg_loses_more_the_lower_its_quality():
    images, lost = photos(12), []
    for quality in (95, 75, 50, 25, 5):
        applied = operation("jpeg", quality=[quality, quality])
        changed = changed_by(applied, images, applied.draw(12, np.random.default_rng(0)))
        lost.append((changed - images).square().mean((1, 2, 3)))
    for better, worse in itertools.pairwise(lost):
        assert (worse > better).all()


def test_gaussian_noise_has_its_deviation_and_mean_0():
    images, applied = torch.full((8, 3, 64, 64), 0.5), operation("gaussian_noise", std=0.08)
    noise = changed_by(applied, images, {}) - images
    assert stats.kstest(noise.flatten()[:20_000].numpy(), "norm", (0, 0.08)).pvalue > UNLIKELY
