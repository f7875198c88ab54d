"""What is searched: dimensions, the conditions under which they exist, and the settings that never vary."""

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
"""What the keys of toggle dimensions start with: "toggle.relu", whose value True keeps the part."""


@dataclass(frozen=True, kw_only=True)
class Dimension(ABC):
    """One searched setting. It exists only while every parent in `when` has one of the values named there."""

    key: str
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    @abstractmethod
    def size(self) -> int | None:
        """How many values there are; None for a continuum."""

    @abstractmethod
    def grid(self) -> Iterator[Any]:
        """Every value, ascending or as written; only where `size` is not None."""

    @abstractmethod
    def draw(self, rng: random.Random) -> Any:
        """A random value."""

    @abstractmethod
    def contains(self, value: Any) -> bool:
        """Whether `value` can be chosen."""


@dataclass(frozen=True, kw_only=True)
class Categorical(Dimension):
    """One of `values`, without an order. Values may be lists, or mappings that set a whole section."""

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
    """A number in [low, high], uniform or log-uniform: any, every `step` from low on, or a multiple of `quantum`."""

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
        """What a sampler's number means: rounded to the step or quantum, clipped, an int if integers are searched."""
        unit = self._unit
        if unit is None:
            return min(max(float(raw), float(self.low)), float(self.high))
        index = round((_exact(raw) - _exact(self.low)) / unit)
        return self._nth(min(max(index, 0), (self.size or 1) - 1))

    @property
    def _unit(self) -> Decimal | None:
        if self.quantum is not None or self.step is not None:
            return _exact(self.quantum if self.quantum is not None else self.step or 0)
        return Decimal(1) if self.integer else None

    def _nth(self, index: int) -> int | float:
        # In decimals, so that the third step of 0.1 is 0.3 and not 0.30000000000000004.
        number = _exact(self.low) + index * (self._unit or Decimal(0))
        return int(number) if self.integer else float(number)


@dataclass(frozen=True)
class Space:
    """`dimensions`, parents before those that depend on them, and `constants` by dotted key."""

    dimensions: tuple[Dimension, ...]
    constants: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, dimensions: Sequence[Dimension], constants: Mapping[str, Any]) -> Space:
        """A space of `dimensions` in any order. Raises ValueError when their conditions go in a circle."""
        ordered: dict[str, Dimension] = {}
        waiting = list(dimensions)
        while waiting:
            ready = next((item for item in waiting if all(parent in ordered for parent in item.when)), None)
            if ready is None:
                raise ValueError(f"circular conditions: {', '.join(item.key for item in waiting)}")
            ordered[ready.key] = ready
            waiting.remove(ready)
        return cls(tuple(ordered.values()), dict(constants))

    def active(self, dimension: Dimension, chosen: Mapping[str, Any]) -> bool:
        """Whether `dimension` exists once its parents have the values in `chosen`."""
        return all(parent in chosen and chosen[parent] in values for parent, values in dimension.when.items())

    @property
    def size(self) -> int | None:
        """How many configurations there are, conditions counted; None when there is a continuum among them."""
        if any(dimension.size is None for dimension in self.dimensions):
            return None
        return math.prod(_count(family) for family in _families(self.dimensions))

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every configuration of a finite space, the last dimension varying fastest."""
        return self._grid(0, {})

    def draw(self, rng: random.Random) -> dict[str, Any]:
        """A random configuration: parents first, then what they switch on."""
        chosen: dict[str, Any] = {}
        for dimension in self.dimensions:
            if self.active(dimension, chosen):
                chosen[dimension.key] = dimension.draw(rng)
        return chosen

    def contains(self, parameters: Mapping[str, Any]) -> bool:
        """Whether `parameters` are a configuration: a valid value for each dimension that exists, and nothing else."""
        existing = [dimension for dimension in self.dimensions if self.active(dimension, parameters)]
        return {dimension.key for dimension in existing} == set(parameters) and all(
            dimension.contains(parameters[dimension.key]) for dimension in existing
        )

    def overrides(self, parameters: Mapping[str, Any], toggles: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """The recipe settings by dotted key that a configuration means.

        `toggles` are the workload's edits by name; those of the toggles that `parameters` switch off come last.
        """
        settings = dict(self.constants)
        settings |= {key: value for key, value in parameters.items() if not key.startswith(TOGGLE)}
        for key, keep in parameters.items():
            if key.startswith(TOGGLE) and not keep:
                settings |= toggles[key.removeprefix(TOGGLE)]
        return settings

    def _grid(self, index: int, chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if index == len(self.dimensions):
            yield dict(chosen)
            return
        dimension = self.dimensions[index]
        if not self.active(dimension, chosen):
            yield from self._grid(index + 1, chosen)
            return
        for value in dimension.grid():
            yield from self._grid(index + 1, {**chosen, dimension.key: value})


def _exact(number: float) -> Decimal:
    return Decimal(number) if isinstance(number, int) else Decimal(repr(float(number)))


def _families(dimensions: Sequence[Dimension]) -> list[tuple[Dimension, ...]]:
    """The dimensions in groups that no condition links, each in the order of `dimensions`."""
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
    """The configurations of one family. A parent's values that no condition names are counted together."""
    named: dict[str, list[Any]] = {dimension.key: [] for dimension in family}
    last_use = {key: index for index, dimension in enumerate(family) for key in dimension.when}
    for dimension in family:
        for parent, values in dimension.when.items():
            named[parent] += [value for value in values if value not in named[parent]]

    @cache
    def count(index: int, state: tuple[tuple[str, int], ...]) -> int:
        # The state holds the named values chosen so far, by index, of the parents that a later condition still asks.
        if index == len(family):
            return 1
        dimension = family[index]
        chosen = {key: named[key][choice] for key, choice in state}
        alive = tuple(item for item in state if last_use[item[0]] > index)
        if not all(parent in chosen and chosen[parent] in values for parent, values in dimension.when.items()):
            return count(index + 1, alive)
        choices = len(named[dimension.key])
        others = ((dimension.size or 0) - choices) * count(index + 1, alive)
        return others + sum(count(index + 1, (*alive, (dimension.key, choice))) for choice in range(choices))

    return count(0, ())
