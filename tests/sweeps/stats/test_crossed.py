"""Figures of seeds and images together: against a mixed model, by hand, and what their intervals cover."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats as scipy_stats
from statsmodels.stats.proportion import proportion_confint

from sweeps.stats import approximate_accuracy, crossed_accuracy, crossed_difference
from sweeps.stats.crossed import LEAST_DIFFERING, LEAST_SEEDS, Parts, parts


def table(n: int, images: int, seed: float, image: float, residual: float, key: int = 0) -> NDArray[np.float64]:
    """Draw a table of normal effects with these standard deviations."""
    generator = np.random.default_rng([key, n, images])
    a, b = generator.normal(0, seed, (n, 1)), generator.normal(0, image, (1, images))
    return a + b + generator.normal(0, residual, (n, images))


def graded(n: int, images: int = 1000, key: int = 0) -> NDArray[np.bool_]:
    """Draw which images are right: most always, some never, some by chance."""
    generator = np.random.default_rng([key, n])
    easy = generator.choice([1.0, 0.0, 0.6], size=images, p=[0.86, 0.02, 0.12])
    return generator.random((n, images)) < easy


def test_parts_are_the_mean_squares_of_a_two_way_analysis_of_variance() -> None:
    values = table(4, 60, 1.0, 2.0, 0.5)
    n, images = values.shape
    found = parts(values)
    by_seed, by_image, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    left = values - by_seed[:, None] - by_image + mean
    assert found.mean == pytest.approx(mean)
    assert found.residual == pytest.approx((left**2).sum() / ((n - 1) * (images - 1)))
    assert images * found.between_seeds == pytest.approx(images * ((by_seed - mean) ** 2).sum() / (n - 1))
    squares = (images * found.between_seeds, n * found.between_images, found.residual)
    assert found.variance == pytest.approx((squares[0] + squares[1] - squares[2]) / (n * images))
    assert found.deviating == images - 1


@pytest.mark.parametrize(("seed", "image", "residual"), [(1.0, 2.0, 0.5), (0.3, 0.1, 1.0), (0.0, 1.0, 1.0)])
def test_effects_estimate_the_variances_that_made_the_table(seed: float, image: float, residual: float) -> None:
    found = [parts(table(40, 400, seed, image, residual, key)) for key in range(20)]
    assert np.mean([one.seed_effect for one in found]) == pytest.approx(seed**2, rel=0.15, abs=2e-3)
    assert np.mean([one.image_effect for one in found]) == pytest.approx(image**2, rel=0.1)
    assert np.mean([one.residual for one in found]) == pytest.approx(residual**2, rel=0.05)


def test_a_seed_effect_alone_gives_students_interval_and_an_image_effect_alone_the_normal_one() -> None:
    seeds = Parts(5, 10_000, 0.2, 0.04, 0.0, 0.0, 0)
    assert seeds.seed_share == 1
    only_seeds = Parts(5, 10_000, 0.2, 0.04, 1e-12, 0.0, 5000)
    assert only_seeds.half_width() == pytest.approx(scipy_stats.t.ppf(0.975, 4) * math.sqrt(0.04 / 5), rel=1e-6)
    only_images = Parts(5, 10_000, 0.2, 0.0, 0.25, 0.0, 9999)
    assert only_images.half_width() == pytest.approx(scipy_stats.t.ppf(0.975, 9999) * 0.5 / 100)


def test_seeds_without_variance_leave_the_error_of_the_images() -> None:
    same = np.tile(graded(1), (3, 1))
    found, alone = crossed_accuracy(same), crossed_accuracy(same[:1])
    assert (found.mean, found.seed_share) == (alone.mean, 0)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=5e-4)


@pytest.mark.parametrize("wrong", [0, 1, 30, 597])
def test_one_seed_gives_wilsons_interval_of_the_images(wrong: int) -> None:
    correct = np.arange(597)[None] >= wrong
    found = crossed_accuracy(correct)
    assert (found.low, found.high) == pytest.approx(proportion_confint(597 - wrong, 597, method="wilson"), abs=1e-12)
    assert (found.n, found.images, found.seed_share) == (1, 597, 0)


def test_images_that_are_all_right_still_have_an_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = crossed_accuracy(np.ones((5, 1000), dtype=bool))
    assert (found.mean, found.high) == (1, 1)
    assert found.low == pytest.approx(proportion_confint(1000, 1000, method="wilson")[0])


def test_a_seed_that_is_wrong_everywhere_widens_the_interval_to_all_of_it() -> None:
    correct = np.ones((3, 1000), dtype=bool)
    correct[0] = False
    found = crossed_accuracy(correct)
    assert found.seed_share == 1
    assert found.low < 0.1
    assert found.high > 0.95


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_the_approximation_is_never_narrower(n: int) -> None:
    correct = graded(n)
    known, guess = crossed_accuracy(correct), approximate_accuracy(list(correct.mean(axis=1)), 1000)
    assert guess.mean == pytest.approx(known.mean)
    assert guess.low <= known.low + 1e-9
    assert guess.high >= known.high - 1e-9


def test_more_seeds_do_not_narrow_the_error_of_images_that_all_share() -> None:
    halves = [(one.high - one.low) / 2 for one in (crossed_accuracy(graded(n, 10_000)) for n in (3, 10, 40))]
    assert halves[0] > halves[1] > halves[2] > 0.8 * 1.96 * math.sqrt(0.05 * 0.95 / 10_000)


@pytest.mark.parametrize("n", [LEAST_SEEDS, 6])
def test_p_is_where_the_interval_begins_to_include_0(n: int) -> None:
    differences = graded(n, key=1).astype(int) - graded(n, key=2)
    differences[:, :40] = 1
    found, inner = crossed_difference(differences), parts(differences)
    assert found is not None
    assert found.mean == pytest.approx(differences.mean())
    assert inner.half_width(found.p) == pytest.approx(abs(found.mean), rel=1e-9)
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
    swapped = crossed_difference(-differences)
    assert swapped is not None
    assert (swapped.low, swapped.p) == pytest.approx((-found.high, found.p))


def test_a_mean_of_0_has_p_1_and_a_plain_one_a_tiny_p_that_is_not_0() -> None:
    differences = np.zeros((3, 1000))
    differences[:, :20], differences[:, 20:40] = 1, -1
    even = crossed_difference(differences)
    assert even is not None
    assert (even.mean, even.p) == (0, pytest.approx(1))
    clear = crossed_difference(np.where(np.arange(5000) < 4000, 1, 0) * np.ones((6, 1)))
    assert clear is not None
    assert 0 < clear.p < 1e-100


@pytest.mark.parametrize(("n", "differing"), [(2, 100), (1, 100), (3, LEAST_DIFFERING - 1), (3, 0)])
def test_a_difference_of_too_few_seeds_or_images_is_not_tested(n: int, differing: int) -> None:
    differences = np.zeros((n, 597))
    differences[:, :differing] = 1
    assert crossed_difference(differences) is None


@pytest.mark.parametrize("values", [np.zeros(5), np.zeros((0, 5)), np.zeros((3, 1)), np.zeros((2, 2, 2))])
def test_a_table_needs_seeds_and_images(values: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="one row per seed"):
        parts(values)


@pytest.mark.parametrize(("accuracies", "images"), [([], 100), ([0.5, 1.2], 100), ([math.nan], 100), ([0.5], 1)])
def test_wrong_accuracies_are_refused(accuracies: list[float], images: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        approximate_accuracy(accuracies, images)
