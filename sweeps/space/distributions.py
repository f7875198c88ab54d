"""Convert dimensions of a search space to Optuna's distributions."""

from __future__ import annotations

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from sweeps.space.encoding import label
from sweeps.space.space import Categorical, Dimension, Numeric


def distribution(dimension: Dimension) -> BaseDistribution:
    """Return the Optuna distribution of a dimension."""
    if isinstance(dimension, Categorical):
        return CategoricalDistribution([label(value) for value in dimension.values])
    assert isinstance(dimension, Numeric)
    if dimension.integer:
        return IntDistribution(int(dimension.low), int(dimension.high), dimension.log, int(dimension.step or 1))
    return FloatDistribution(float(dimension.low), float(dimension.high), dimension.log, dimension.step)
