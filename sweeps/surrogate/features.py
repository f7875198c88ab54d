"""A search space as numbers: configurations to columns, and random or similar columns to configurations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweeps.space.encoding import identity
from sweeps.space.space import Space
from sweeps.surrogate.axes import Axis, Floats, axis_of

NEAR = 0.1  # the standard deviation of a variation, in columns


class Features:
    """The columns of a space.

    Configurations are held as coordinates, (n, dimensions), see `sweeps.surrogate.axes`; conditions decide which
    coordinates are NaN. The whole conditional space has columns: those of a dimension that does not exist are
    constant, and each condition has a column of its own that says whether it is met.

    Args:
        space: The space.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.axes: tuple[Axis, ...] = tuple(axis_of(dimension) for dimension in space.dimensions)
        self._keys = [dimension.key for dimension in space.dimensions]
        self._conditions = self._allowed()
        self._distinct = list(dict.fromkeys(condition for condition in self._conditions if condition))
        self._known: dict[str, Floats] = {}
        widths = [axis.width for axis in self.axes]
        parents = [condition[0][0] for condition in self._distinct]
        self.groups = np.array([*np.repeat(np.arange(len(widths)), widths), *parents], dtype=int)
        """The dimension with which each column shares its length scale."""

    @property
    def dimensions(self) -> int:
        """The number of dimensions."""
        return len(self.axes)

    def coordinates(self, configurations: Sequence[Mapping[str, Any]]) -> Floats:
        """Return the coordinates of configurations, (n, dimensions)."""
        rows = np.full((len(configurations), self.dimensions), np.nan)
        for row, parameters in zip(rows, configurations, strict=True):
            name = identity(parameters)
            if name not in self._known:
                self._known[name] = np.array([self._coordinate(place, parameters) for place in range(self.dimensions)])
            row[:] = self._known[name]
        return rows

    def columns(self, coordinates: Floats) -> Floats:
        """Return the columns of n configurations, (n, columns)."""
        parts = [axis.columns(coordinates[:, place]) for place, axis in enumerate(self.axes)]
        parts += [_met(condition, coordinates)[:, None].astype(float) for condition in self._distinct]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(coordinates), 0))

    def spread(self, places: Floats) -> Floats:
        """Return the coordinates of points of the unit cube, (n, dimensions); uniform points give random draws."""
        rows = [axis.spread(places[:, place]) for place, axis in enumerate(self.axes)]
        return self._existing(np.stack(rows, axis=1) if rows else places)

    def vary(self, coordinates: Floats, rng: np.random.Generator) -> Floats:
        """Return the coordinates of a configuration near each of the given ones."""
        rows = [axis.vary(coordinates[:, place], NEAR, rng) for place, axis in enumerate(self.axes)]
        return self._existing(np.stack(rows, axis=1) if rows else coordinates)

    def configuration(self, coordinates: Floats) -> dict[str, Any]:
        """Return the valid configuration at one row of coordinates."""
        parameters: dict[str, Any] = {}
        for axis, coordinate in zip(self.axes, coordinates, strict=True):
            if self.space.active(axis.dimension, parameters):
                parameters[axis.dimension.key] = axis.value(coordinate)
        return parameters

    def _coordinate(self, place: int, parameters: Mapping[str, Any]) -> float:
        key = self._keys[place]
        return self.axes[place].coordinate(parameters[key]) if key in parameters else math.nan

    def _allowed(self) -> list[_Condition]:
        """The condition of each dimension: the place of every parent, with the coordinates that it may have."""
        place = {key: index for index, key in enumerate(self._keys)}
        return [
            tuple(
                (place[parent], tuple(self.axes[place[parent]].coordinate(value) for value in values))
                for parent, values in dimension.when.items()
            )
            for dimension in self.space.dimensions
        ]

    def _existing(self, coordinates: Floats) -> Floats:
        """The coordinates without those of dimensions that do not exist under the others."""
        for place, condition in enumerate(self._conditions):
            if condition:  # parents come first, so theirs are settled
                coordinates[~_met(condition, coordinates), place] = np.nan
        return coordinates


_Condition = tuple[tuple[int, tuple[float, ...]], ...]


def _met(condition: _Condition, coordinates: Floats) -> NDArray[np.bool_]:
    """Whether each row meets a condition."""
    met = np.ones(len(coordinates), dtype=bool)
    for parent, allowed in condition:
        met &= np.isin(coordinates[:, parent], allowed)
    return met
