"""The columns of one dimension of a search space, in which distances mean something.

A coordinate is one number for a value of a dimension: the index of a level where the dimension has few values, its
place in [0, 1] otherwise, and NaN where the dimension does not exist or does not have the value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweeps.space.encoding import identity
from sweeps.space.space import Categorical, Dimension, Numeric

Floats = NDArray[np.float64]

MOST_LEVELS = 1_000  # a number with more values than this is treated as a continuum and rounded at the end
ABSENT = 0.5  # the column of a number that does not exist
REDRAWN = 0.2  # the probability that a variation changes a choice without order


@dataclass(frozen=True, eq=False)
class Axis:
    """One dimension.

    Attributes:
        dimension: The dimension.
        levels: Its values, if they are few; else empty.
        table: The columns of each level, (levels, columns); (0, 1) for a continuum.
        ordered: Whether values that are near each other in the columns are alike.
    """

    dimension: Dimension
    levels: tuple[Any, ...]
    table: Floats
    ordered: bool

    @property
    def width(self) -> int:
        """The number of columns."""
        return int(self.table.shape[1])

    def coordinate(self, value: Any) -> float:
        """Return the coordinate of a value. Numbers outside the range count as its nearest end."""
        if isinstance(self.dimension, Categorical):
            return self._index.get(identity({"": value}), math.nan)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return math.nan
        assert isinstance(self.dimension, Numeric)
        place = _place(self.dimension, value)
        return float(np.abs(self.table[:, 0] - place).argmin()) if self.levels else place

    def value(self, coordinate: float) -> Any:
        """Return the value at a coordinate; a middle one at NaN."""
        if self.levels:
            return self.levels[len(self.levels) // 2 if math.isnan(coordinate) else int(coordinate)]
        assert isinstance(self.dimension, Numeric)
        low, high = _bounds(self.dimension)
        raw = low + (ABSENT if math.isnan(coordinate) else coordinate) * (high - low)
        return self.dimension.decode(math.exp(raw) if self.dimension.log else raw)

    def columns(self, coordinates: Floats) -> Floats:
        """Return the columns of n coordinates, (n, width)."""
        absent = np.isnan(coordinates)
        if not self.levels:
            return np.where(absent, ABSENT, coordinates)[:, None]
        rows = self.table[np.where(absent, 0, coordinates).astype(int)]
        rows[absent] = ABSENT if self.ordered else 0.0
        return np.asarray(rows)

    def spread(self, places: Floats) -> Floats:
        """Return the coordinates of places in [0, 1), so that uniform places give a draw of the dimension."""
        if not self.levels:
            return places
        if isinstance(self.dimension, Numeric) and self.dimension.log:
            return self._nearest(places[:, None])
        return np.floor(places * len(self.levels))

    def vary(self, coordinates: Floats, deviation: float, rng: np.random.Generator) -> Floats:
        """Return the coordinates of values near others; a NaN becomes a random value.

        Args:
            coordinates: The n coordinates.
            deviation: The standard deviation of the change in the columns.
            rng: The source of the changes.
        """
        fresh = self.spread(rng.random(len(coordinates)))
        noise = rng.standard_normal((len(coordinates), self.width))
        if not self.ordered:
            return np.where((np.abs(noise[:, 0]) < _REDRAWN_BELOW) | np.isnan(coordinates), fresh, coordinates)
        moved = _reflected(self.columns(coordinates) + deviation * noise)
        return np.where(np.isnan(coordinates), fresh, self._nearest(moved) if self.levels else moved[:, 0])

    @cached_property
    def _index(self) -> dict[str, float]:
        return {identity({"": level}): float(index) for index, level in enumerate(self.levels)}

    def _nearest(self, rows: Floats) -> Floats:
        """The levels whose columns are nearest to (n, width) rows."""
        distance = ((rows[:, None, :] - self.table[None, :, :]) ** 2).sum(2)
        return np.asarray(distance.argmin(1), dtype=float)


def axis_of(dimension: Dimension) -> Axis:
    """Return the axis of a dimension: numbers and lists of numbers ordered, other choices one column per value."""
    if isinstance(dimension, Categorical):
        table = _ranked(dimension.values)
        ordered = table is not None or len(dimension.values) == 2
        return Axis(dimension, tuple(dimension.values), _one_hot(dimension.values) if table is None else table, ordered)
    assert isinstance(dimension, Numeric)
    if dimension.size is None or dimension.size > MOST_LEVELS or dimension.low == dimension.high:
        return Axis(dimension, (), np.zeros((0, 1)), ordered=True)
    levels = tuple(dimension.grid())
    return Axis(dimension, levels, np.array([[_place(dimension, level)] for level in levels]), ordered=True)


_REDRAWN_BELOW = 0.2533  # |z| of a standard normal is below it with probability REDRAWN


def _bounds(dimension: Numeric) -> tuple[float, float]:
    if dimension.log:
        return math.log(dimension.low), math.log(dimension.high)
    return float(dimension.low), float(dimension.high)


def _place(dimension: Numeric, value: float) -> float:
    """The place of a number in its range, from 0 to 1."""
    low, high = _bounds(dimension)
    inside = min(max(float(value), float(dimension.low)), float(dimension.high))
    return ((math.log(inside) if dimension.log else inside) - low) / (high - low) if high > low else ABSENT


def _ranked(values: Sequence[Any]) -> Floats | None:
    """A column for each element of numbers or equally long lists of numbers, by rank; None for other values."""
    rows = [value if isinstance(value, list | tuple) else [value] for value in values]
    if len({len(row) for row in rows}) != 1 or not rows[0]:
        return None
    if any(isinstance(item, bool) or not isinstance(item, int | float) for row in rows for item in row):
        return None
    places = [np.unique(column, return_inverse=True)[1] for column in np.array(rows, dtype=float).T]
    return np.stack([place / max(place.max(), 1) for place in places], axis=1)


def _one_hot(values: Sequence[Any]) -> Floats:
    """A column per value, so that two values are 1 apart; a single column for two."""
    return np.array([[0.0], [1.0]]) if len(values) == 2 else np.eye(len(values)) / math.sqrt(2)


def _reflected(places: Floats) -> Floats:
    """Places in [0, 1]: those beyond an end are reflected at it."""
    folded = np.abs(places) % 2.0
    return np.where(folded > 1.0, 2.0 - folded, folded)
