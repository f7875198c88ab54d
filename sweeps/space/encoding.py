"""Searched values as the storage keeps them, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sweeps.space.space import Categorical, Dimension, Numeric, Space


def label(value: Any) -> Any:
    """A categorical value as Optuna can store it: scalars as they are, lists and mappings as JSON."""
    if value is None or isinstance(value, str | int | float):
        return value
    return json.dumps(value, sort_keys=True)


def encode(space: Space, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Searched values as the storage keeps them."""
    dimensions = {dimension.key: dimension for dimension in space.dimensions}
    return {
        key: label(value) if isinstance(dimensions[key], Categorical) else value for key, value in parameters.items()
    }


def decode(space: Space, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Stored values as the recipe takes them, in the order of the space; dimensions without a value are left out."""
    return {
        dimension.key: decode_value(dimension, stored[dimension.key])
        for dimension in space.dimensions
        if dimension.key in stored
    }


def decode_value(dimension: Dimension, stored: Any) -> Any:
    """One stored value as the recipe takes it."""
    if isinstance(dimension, Numeric):
        return dimension.decode(stored)
    assert isinstance(dimension, Categorical)
    return next((value for value in dimension.values if label(value) == stored), stored)


def identity(parameters: Mapping[str, Any]) -> str:
    """A text that equal configurations share."""
    return json.dumps(parameters, sort_keys=True)
