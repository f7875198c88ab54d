"""The rungs of a search from what it may train."""

from __future__ import annotations

import pytest

from sweeps.pruners.ladder import configurations, ladder


@pytest.mark.parametrize(
    ("epochs", "trainings", "expected"),
    [(27, 5, 1), (27, 40, 1), (27, 60, 3), (27, 1e6, 6), (200, 5, 1), (200, 20, 5), (4, 100, 1), (2, 5, 1), (1, 20, 1)],
)
def test_first_rung_is_as_late_as_the_budget_allows(epochs: int, trainings: float, expected: int) -> None:
    assert ladder(epochs, trainings) == (expected, 2)


def test_configurations_are_those_of_halving_at_each_rung() -> None:
    # Rungs at 2 and 4 of 8 epochs: 2 epochs of all, 2 of a half, 4 of a quarter.
    assert configurations(8, trainings=10, min_iter=2) == 80 / (2 + 1 + 1)
    assert configurations(9, trainings=10, min_iter=3, eta=3) == 90 / (3 + 2)


def test_step_takes_twice_as_long_as_loading_its_state() -> None:
    assert ladder(27, trainings=5, load_epochs=1.2) == (3, 2)
    assert ladder(27, trainings=40, load_epochs=0.5) == ladder(27, trainings=40)
    assert ladder(8, trainings=5, load_epochs=100) == (7, 2)
    assert ladder(1, trainings=5, load_epochs=100) == (1, 2)
