"""Settings that stand alone but not together: the combinations of a space that the recipe refuses."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.space.space import Categorical, Dimension, Numeric, Space
from sweeps.validation.values import Wrong

ALL_UP_TO = 2_000
SAMPLE = 500
EXAMPLES = 5

Toggles = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Refused:
    """One kind of refusal: the least settings that bring it about, its rule, and how many of those tried met it."""

    parameters: Mapping[str, Any]
    rule: str
    count: int
    tried: int

    def __str__(self) -> str:
        chosen = ", ".join(f"{key} = {value}" for key, value in self.parameters.items())
        share = f"({self.count} of {self.tried} combinations)"
        way_out = "exclude it with when, or couple the settings in one parameter"
        return f"the recipe refuses {chosen}: {self.rule} {share}; {way_out}"


def refused(space: Space, toggles: Toggles, wrong: Wrong) -> list[Refused]:
    """An example of each way in which the recipe refuses combinations, up to `EXAMPLES`.

    All combinations of up to `ALL_UP_TO` are tried (ranges by their ends when they have more values), else a sample.
    """
    if not space.dimensions:
        return []
    first: dict[tuple[str, ...], dict[str, Any]] = {}
    counts: dict[tuple[str, ...], int] = {}
    tried = 0
    for chosen in _tried(space):
        tried += 1
        kind = _kind(wrong(space.overrides(chosen, toggles)))
        if kind:
            first.setdefault(kind, chosen)
            counts[kind] = counts.get(kind, 0) + 1
    return [
        _example(space, toggles, wrong, chosen, counts[kind], tried) for kind, chosen in [*first.items()][:EXAMPLES]
    ]


def _tried(space: Space) -> Iterator[dict[str, Any]]:
    if not _small(space):
        space = Space(tuple(_ends(dimension, space) for dimension in space.dimensions), space.constants)
    if _small(space):
        return space.grid()
    generator = random.Random(0)
    return (space.draw(generator) for _ in range(SAMPLE))


def _small(space: Space) -> bool:
    return space.size is not None and space.size <= ALL_UP_TO


def _ends(dimension: Dimension, space: Space) -> Dimension:
    if not isinstance(dimension, Numeric):
        return dimension
    named = [value for other in space.dimensions for value in other.when.get(dimension.key, ())]
    ends = [dimension.decode(dimension.low), dimension.decode(dimension.high)]
    return Categorical(key=dimension.key, when=dimension.when, values=tuple(dict.fromkeys([*ends, *named])))


def _kind(mistakes: list[tuple[str, str]]) -> tuple[str, ...]:
    """What tells refusals apart: the keys at fault and the rule without the value."""
    return tuple(f"{key}: {rule.partition(' but got ')[0]}" for key, rule in mistakes)


def _example(space: Space, toggles: Toggles, wrong: Wrong, chosen: dict[str, Any], count: int, tried: int) -> Refused:
    """The refusal of `chosen` without the settings that have no part in it."""
    kind = _kind(wrong(space.overrides(chosen, toggles)))
    for key in list(chosen):
        fewer = {other: value for other, value in chosen.items() if other != key}
        if _kind(wrong(space.overrides(fewer, toggles))) == kind:
            chosen = fewer
    key, rule = wrong(space.overrides(chosen, toggles))[0]
    return Refused(chosen, f"{key}: {rule}" if key else rule, count, tried)
