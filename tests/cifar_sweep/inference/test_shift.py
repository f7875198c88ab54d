"""When unlabelled images count as unlike those of training: rarely where they are alike, always where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cifar_sweep.inference import shift
from cifar_sweep.inference.shift import ChannelStatistics, channel_warnings, class_warnings

DIGITS = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)[
    np.random.default_rng(0).permutation(1797), ..., None
]
TRAINED, HELD_OUT = DIGITS[:1400], DIGITS[1400:]
NAMES = tuple("abcdefghij")


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    """Digits in colours that vary from image to image (N, 8, 8, 4): a fourth, empty byte follows."""
    tints = np.random.default_rng(1).uniform(0.3, 1, (len(DIGITS), 1, 1, 3))
    return np.concatenate([(DIGITS * tints).astype(np.uint8), np.zeros_like(DIGITS)], axis=-1)


@pytest.mark.parametrize("count", [5, 50, 300])
def test_held_out_images_do_not_warn(count: int) -> None:
    trained, generator = ChannelStatistics.of(TRAINED, 1), np.random.default_rng(2)
    samples = [HELD_OUT[generator.integers(0, len(HELD_OUT), count)] for _ in range(100)]
    assert not [sample for sample in samples if channel_warnings(ChannelStatistics.of(sample, 1), trained)]


@pytest.mark.parametrize(("changed", "named"), [
    (lambda images: 255 - images, "brightness 0."),
    (lambda images: images // 2, "contrast 0."),
])  # fmt: skip
def test_changed_images_warn_with_what_differs(changed, named: str) -> None:
    (warning,) = channel_warnings(ChannelStatistics.of(changed(HELD_OUT), 1), ChannelStatistics.of(TRAINED, 1))
    assert named in warning


def test_colours_that_went_or_changed_places_warn(colours: np.ndarray) -> None:
    trained, held_out = ChannelStatistics.of(colours[:1400], 3), colours[1400:]
    assert not channel_warnings(ChannelStatistics.of(held_out, 3), trained)
    grey = np.repeat(held_out[..., :3].mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    (warning,) = channel_warnings(ChannelStatistics.of(grey, 3), trained)
    assert "colourfulness 0.000 instead of" in warning
    redder = held_out.copy()
    redder[..., 0] = redder[..., 0] // 2
    assert "brightness of red" in channel_warnings(ChannelStatistics.of(redder, 3), trained)[0]


def test_a_large_set_is_looked_at_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shift, "MOST_IMAGES", 500)
    assert ChannelStatistics.of(DIGITS, 1).count == 450  # every fourth


def test_constant_training_images_do_not_divide_by_nothing() -> None:
    flat = np.full((20, 8, 8, 1), 7, np.uint8)
    assert not channel_warnings(ChannelStatistics.of(flat, 1), ChannelStatistics.of(flat, 1))
    assert channel_warnings(ChannelStatistics.of(HELD_OUT, 1), ChannelStatistics.of(flat, 1))


@pytest.mark.parametrize("count", [3, 30, 1000])
def test_predicted_classes_in_the_usual_shares_hardly_ever_warn(count: int) -> None:
    usual, generator = np.arange(1000) % 10, np.random.default_rng(3)
    warned = sum(bool(class_warnings(generator.integers(0, 10, count), usual, NAMES)) for _ in range(2000))
    assert warned <= 3  # 0.2 are expected by p < 0.0001, and chi-squared is not exact


def test_a_difference_too_small_to_matter_does_not_warn_however_many_images() -> None:
    labels = np.concatenate([np.arange(1_000_000) % 10, np.zeros(50_000, int)])
    assert not class_warnings(labels, np.arange(1000) % 10, NAMES)


def test_missing_classes_warn_with_their_names() -> None:
    (warning,) = class_warnings(np.arange(300) % 5, np.arange(1000) % 10, NAMES)
    assert "a 20.0 % instead of 10.0 %" in warning
    assert "w = 1.00" in warning


def test_a_class_that_training_never_had_does_not_divide_by_nothing() -> None:
    assert not class_warnings(np.arange(300) % 9, np.arange(900) % 9, NAMES)
