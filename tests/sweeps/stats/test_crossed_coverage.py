"""What intervals over seeds and images cover: a short form of benchmarks/crossed.py."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.crossed import METHODS, POPULATIONS, accuracies, covered, crossed, narrowest, worst
from sweeps.stats.crossed import LEAST_SEEDS, Parts


@pytest.mark.parametrize("n", [LEAST_SEEDS, 4, 6, 10])
def test_crossed_interval_of_a_difference_covers_95_percent_for_every_ratio(n: int) -> None:
    assert worst(next(iter(METHODS)), n).anywhere >= 0.9495


@pytest.mark.parametrize(("method", "most"), [("Satterthwaite", 0.93), ("images tell the seeds' variance", 0.86)])
def test_narrower_methods_do_not_cover_at_three_seeds(method: str, most: float) -> None:
    assert worst(method, 3).within < most


@pytest.mark.parametrize("n", [3, 6])
def test_simulated_method_is_that_of_the_library(n: int) -> None:
    m, floor, images = np.array([0.02, 0.5, 3.0]), 0.1, 0.4
    halves = [
        Parts(n, 1_000_000, 0.0, n * part, (images + floor) * 1e6, floor * n * 1e6, 999_999).half_width() for part in m
    ]
    assert halves == pytest.approx(list(crossed(m, floor, images, n - 1)), rel=1e-5)


def test_accuracy_of_a_population_is_covered_where_the_interval_over_seeds_misses_it() -> None:
    found = {n: next(accuracies(np.random.default_rng(0), 150, [1000], n)).rates for n in (LEAST_SEEDS, 10)}
    assert found[3]["seeds and images"] >= 0.94 - 3 * 0.0194
    assert found[10]["seeds and images"] >= 0.94 - 3 * 0.0194
    assert found[3]["seeds alone"] < 0.88
    assert found[10]["seeds alone"] < 0.55


def test_population_has_the_accuracy_that_it_says() -> None:
    population = POPULATIONS[1]
    drawn = population.draw(np.random.default_rng(0), 200, 4000)
    assert drawn.mean() == pytest.approx(population.accuracy, abs=0.004)
    assert population.accuracy == pytest.approx(0.95, abs=0.002)


def test_no_interval_is_narrower_than_the_paired_t_unless_the_seeds_variance_is_bounded() -> None:
    assert narrowest(3, 1.0, cells=16) == pytest.approx(1.96 / (4.303 * 0.886), rel=0.02)
    assert narrowest(3, 10.0, cells=16) == pytest.approx(1.0, abs=0.02)


def test_methods_are_compared_at_the_same_runs() -> None:
    rate, width = covered(METHODS["seeds alone (today's)"], 3, 1.0, 0.0)
    assert (rate, width) == (pytest.approx(0.95, abs=1e-3), pytest.approx(1.0))
