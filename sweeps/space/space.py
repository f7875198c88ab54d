"""The search space: dimensions, the conditions under which they exist, and constant settings."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

TOGGLE = "toggle."
"""The prefix of the keys of toggle dimensions: "toggle.relu" is True if the part `relu` is kept."""


@dataclass(frozen=True, kw_only=True)
class Dimension(ABC):
    """One searched setting.

    Attributes:
        key: The dotted key of the setting in the recipe.
        when: The values of other dimensions, the parents, under which this one exists: it exists if every parent has
            one of its values there.
    """

    key: str
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    @abstractmethod
    def size(self) -> int | None:
        """The number of values; None for a continuum."""

    @abstractmethod
    def grid(self) -> Iterator[Any]:
        """Iterate over the values, ascending or in the order of the study file. Only if `size` is not None."""

    @abstractmethod
    def draw(self, rng: random.Random) -> Any:
        """Draw a random value."""

    @abstractmethod
    def contains(self, value: Any) -> bool:
        """Whether `value` is a value of the dimension."""


@dataclass(frozen=True, kw_only=True)
class Categorical(Dimension):
    """A choice from `values`, which have no order. A value may be a list, or a mapping that sets a whole section."""

    values: tuple[Any, ...]

    @property
    def size(self) -> int | None:
        return len(self.values)

    def grid(self) -> Iterator[Any]:
        return iter(self.values)

    def draw(self, rng: random.Random) -> Any:
        return rng.choice(self.values)

    def contains(self, value: Any) -> bool:
        return value in self.values


@dataclass(frozen=True, kw_only=True)
class Numeric(Dimension):
    """A number in [low, high].

    Attributes:
        log: Whether the logarithm is uniform, not the number.
        step: The distance of the possible values, which start at `low`; None for a continuum or all integers.
        integer: Whether only integers are possible.
        quantum: As `step`, for a log-uniform number; Optuna samples a continuum and `decode` rounds.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    integer: bool = False
    quantum: float | None = None

    @property
    def size(self) -> int | None:
        unit = self._unit
        return None if unit is None else int((_exact(self.high) - _exact(self.low)) / unit) + 1

    def grid(self) -> Iterator[Any]:
        for index in range(self.size or 0):
            yield self._nth(index)

    def draw(self, rng: random.Random) -> Any:
        if self.log:
            return self.decode(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))
        size = self.size
        return self.decode(rng.uniform(self.low, self.high)) if size is None else self._nth(rng.randrange(size))

    def contains(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.integer else int | float):
            return False
        return self.low <= value <= self.high and value == self.decode(value)

    def decode(self, raw: float) -> int | float:
        """Return the value for a sampled number: clipped, rounded to the step or quantum, and an int for integers."""
        unit = self._unit
        if unit is None:
            return min(max(float(raw), float(self.low)), float(self.high))
        index = round((_exact(raw) - _exact(self.low)) / unit)
        return self._nth(min(max(index, 0), (self.size or 1) - 1))

    @property
    def _unit(self) -> Decimal | None:
        """The distance of two values of the grid; None for a continuum."""
        if self.quantum is not None or self.step is not None:
            return _exact(self.quantum if self.quantum is not None else self.step or 0)
        return Decimal(1) if self.integer else None

    def _nth(self, index: int) -> int | float:
        """Return the value at a place of the grid, from 0."""
        # In decimals, so that the third step of 0.1 is 0.3 and not 0.30000000000000004.
        number = _exact(self.low) + index * (self._unit or Decimal(0))
        return int(number) if self.integer else float(number)


@dataclass(frozen=True)
class Space:
    """A search space.

    Attributes:
        dimensions: In an order in which parents come before the dimensions that depend on them.
        constants: The settings that are the same in every configuration, by dotted key.
    """

    dimensions: tuple[Dimension, ...]
    constants: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, dimensions: Sequence[Dimension], constants: Mapping[str, Any]) -> Space:
        """Make a space of dimensions in any order. Raises ValueError if their conditions are circular."""
        ordered: dict[str, Dimension] = {}
        waiting = list(dimensions)
        while waiting:
            ready = next((item for item in waiting if all(parent in ordered for parent in item.when)), None)
            if ready is None:
                raise ValueError(f"circular conditions: {', '.join(item.key for item in waiting)}")
            ordered[ready.key] = ready
            waiting.remove(ready)
        return cls(tuple(ordered.values()), dict(constants))

    def active(self, dimension: Dimension, parameters: Mapping[str, Any]) -> bool:
        """Whether `dimension` exists if its parents have the values in `parameters`."""
        return _met(dimension.when, parameters)

    @property
    def size(self) -> int | None:
        """The number of configurations, with conditions taken into account; None if a dimension is a continuum."""
        if any(dimension.size is None for dimension in self.dimensions):
            return None
        return math.prod(_count(family) for family in _families(self.dimensions))

    def grid(self) -> Iterator[dict[str, Any]]:
        """Iterate over the configurations of a finite space; the last dimension varies fastest."""
        return self._grid(0, {})

    def draw(self, rng: random.Random) -> dict[str, Any]:
        """Draw a random configuration: parents first, then the dimensions that exist under their values."""
        parameters: dict[str, Any] = {}
        for dimension in self.dimensions:
            if self.active(dimension, parameters):
                parameters[dimension.key] = dimension.draw(rng)
        return parameters

    def contains(self, parameters: Mapping[str, Any]) -> bool:
        """Whether `parameters` are a configuration: a valid value for every dimension that exists, and nothing else."""
        existing = [dimension for dimension in self.dimensions if self.active(dimension, parameters)]
        return {dimension.key for dimension in existing} == set(parameters) and all(
            dimension.contains(parameters[dimension.key]) for dimension in existing
        )

    def overrides(self, parameters: Mapping[str, Any], toggles: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return the recipe settings of a configuration by dotted key.

        Args:
            parameters: The configuration: the value of each dimension that exists, by its key.
            toggles: The workload's edits that switch a part off, by the name of the toggle. They override everything
                else.

        Returns:
            The constants and the searched settings, without the keys of toggles, plus the edits of the parts that are
            switched off.
        """
        settings = dict(self.constants)
        settings |= {key: value for key, value in parameters.items() if not key.startswith(TOGGLE)}
        for key, keep in parameters.items():
            if key.startswith(TOGGLE) and not keep:
                settings |= toggles[key.removeprefix(TOGGLE)]
        return settings

    def _grid(self, index: int, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Complete `parameters` in every way with the dimensions from `index` on."""
        if index == len(self.dimensions):
            yield dict(parameters)
            return
        dimension = self.dimensions[index]
        if not self.active(dimension, parameters):
            yield from self._grid(index + 1, parameters)
            return
        for value in dimension.grid():
            yield from self._grid(index + 1, {**parameters, dimension.key: value})


def _met(when: Mapping[str, tuple[Any, ...]], parameters: Mapping[str, Any]) -> bool:
    """Whether every parent of a condition has one of its values in `parameters`."""
    return all(parent in parameters and parameters[parent] in values for parent, values in when.items())


def _exact(number: float) -> Decimal:
    """Return the decimal number that a float is written as: 0.1 exactly, not the nearest binary fraction."""
    return Decimal(number) if isinstance(number, int) else Decimal(repr(float(number)))


def _families(dimensions: Sequence[Dimension]) -> list[tuple[Dimension, ...]]:
    """Group the dimensions so that no condition links two groups. Each group keeps the order of `dimensions`."""
    leader = {dimension.key: dimension.key for dimension in dimensions}
    for dimension in dimensions:
        for parent in dimension.when:
            old, new = leader[dimension.key], leader[parent]
            leader = {key: new if group == old else group for key, group in leader.items()}
    groups: dict[str, list[Dimension]] = {}
    for dimension in dimensions:
        groups.setdefault(leader[dimension.key], []).append(dimension)
    return [tuple(group) for group in groups.values()]


def _count(family: Sequence[Dimension]) -> int:
    """Count the configurations of one family without listing them.

    Values of a parent that no condition names have the same effect, so they are counted together.
    """
    named: dict[str, list[Any]] = {dimension.key: [] for dimension in family}
    last_use = {key: index for index, dimension in enumerate(family) for key in dimension.when}
    for dimension in family:
        for parent, values in dimension.when.items():
            named[parent] += [value for value in values if value not in named[parent]]

    @cache
    def count(index: int, state: tuple[tuple[str, int], ...]) -> int:
        # `state` has the index of the named value of each parent on which a later dimension depends. A parent that is
        # not in it does not exist or has another value. Parents leave the state with their last use, so that the cache
        # stays small.
        if index == len(family):
            return 1
        dimension = family[index]
        parameters = {key: named[key][choice] for key, choice in state}
        alive = tuple(item for item in state if last_use[item[0]] > index)
        if not _met(dimension.when, parameters):
            return count(index + 1, alive)
        choices = len(named[dimension.key])
        others = ((dimension.size or 0) - choices) * count(index + 1, alive)
        return others + sum(count(index + 1, (*alive, (dimension.key, choice))) for choice in range(choices))

    return count(0, ())
