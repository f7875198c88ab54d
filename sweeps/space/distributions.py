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
    # A step such as 1/3 meets `high` only up to rounding; Optuna would warn of it for each trial and shrink the range.
    high = dimension.high if dimension.step is None else dimension.decode(dimension.high)
    return FloatDistribution(float(dimension.low), float(high), dimension.log, dimension.step)
