"""Dimensions as Optuna's distributions."""

from __future__ import annotations

import warnings

import pytest
from optuna.distributions import FloatDistribution

from sweeps.space.distributions import distribution
from sweeps.space.space import Numeric


@pytest.mark.parametrize(
    ("high", "step", "last"), [(1.0, 1 / 3, 0.9999999999999999), (0.7000000001, 0.1, 0.7), (0.7, 0.1, 0.7)]
)
def test_a_step_that_meets_the_bound_up_to_rounding_is_taken_without_a_warning(
    high: float, step: float, last: float
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind = distribution(Numeric(key="momentum", low=0, high=high, step=step))
    assert kind == FloatDistribution(0.0, last, step=step)


def test_a_range_of_reals_keeps_its_bounds() -> None:
    assert distribution(Numeric(key="lr", low=1e-4, high=0.1, log=True)) == FloatDistribution(1e-4, 0.1, log=True)
