"""Convert searched values to the form in which Optuna stores them, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sweeps.space.space import Categorical, Dimension, Numeric, Space


def label(value: Any) -> Any:
    """Return a categorical value as Optuna can store it: scalars unchanged, lists and mappings as JSON."""
    if value is None or isinstance(value, str | int | float):
        return value
    return json.dumps(value, sort_keys=True)


def encode(space: Space, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return searched values, by dotted key, as Optuna stores them."""
    dimensions = {dimension.key: dimension for dimension in space.dimensions}
    return {
        key: label(value) if isinstance(dimensions[key], Categorical) else value for key, value in parameters.items()
    }


def decode(space: Space, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored values as the recipe takes them, in the order of the space, without dimensions that have none."""
    return {
        dimension.key: decode_value(dimension, stored[dimension.key])
        for dimension in space.dimensions
        if dimension.key in stored
    }


def decode_value(dimension: Dimension, stored: Any) -> Any:
    """Return one stored value as the recipe takes it.

    A number is clipped and rounded to the dimension's step. A categorical value that the dimension does not have stays
    as it is stored.
    """
    if isinstance(dimension, Numeric):
        return dimension.decode(stored)
    assert isinstance(dimension, Categorical)
    return next((value for value in dimension.values if label(value) == stored), stored)


def identity(parameters: Mapping[str, Any]) -> str:
    """Return a text that is the same for equal configurations."""
    return json.dumps(parameters, sort_keys=True)
