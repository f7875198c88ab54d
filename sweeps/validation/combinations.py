"""Check the combinations of searched settings: values that are valid by themselves may not go together."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.io.paths import KeyPath, Violation
from sweeps.space.space import Categorical, Dimension, Numeric, Space
from sweeps.validation.case import Case, Refusals

ALL_UP_TO = 2_000
SAMPLE = 500
EXAMPLES = 5

Toggles = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class RefusedCombination:
    """One kind of refusal.

    Attributes:
        parameters: The fewest searched values that cause it, by dotted key.
        rule: The recipe's rule.
        count: How many of the combinations that were tried are refused in this way.
        tried: How many were tried.
    """

    parameters: Mapping[str, Any]
    rule: str
    count: int
    tried: int

    def __str__(self) -> str:
        settings = ", ".join(f"{key} = {value}" for key, value in self.parameters.items())
        share = f"({self.count} of {self.tried} combinations)"
        remedy = "exclude it with when, or couple the settings in one parameter"
        return f"the recipe refuses {settings}: {self.rule} {share}; {remedy}"


def check_combinations(case: Case) -> Iterator[Violation]:
    """Yield an example of each kind of combination that the recipe refuses, at its last setting."""
    for example in refused_combinations(case.study.space, case.toggles, case.refusals):
        key = list(example.parameters)[-1] if example.parameters else ""
        path: KeyPath = ("parameters", key) if key in case.study.parameters else ("toggles",)
        yield path if key else ("baseline",), f"{example}"


def refused_combinations(space: Space, toggles: Toggles, refusals: Refusals) -> list[RefusedCombination]:
    """Return an example of each way in which the recipe refuses combinations, at most `EXAMPLES`.

    Tries all combinations of a space with up to `ALL_UP_TO` of them, otherwise a sample. A space with more is first
    reduced to the ends of its ranges.

    Args:
        space: The space of the study.
        toggles: The toggles of the workload: name -> settings by dotted key.
        refusals: Returns the recipe's objections to overrides of the baseline.
    """
    if not space.dimensions:
        return []
    first: dict[tuple[str, ...], dict[str, Any]] = {}
    counts: dict[tuple[str, ...], int] = {}
    tried = 0
    for values in _to_try(space):
        tried += 1
        kind = _kind(refusals(space.overrides(values, toggles)))
        if kind:
            first.setdefault(kind, values)
            counts[kind] = counts.get(kind, 0) + 1
    return [
        _example(space, toggles, refusals, values, counts[kind], tried) for kind, values in [*first.items()][:EXAMPLES]
    ]


def _to_try(space: Space) -> Iterator[dict[str, Any]]:
    if not _small(space):
        space = Space(tuple(_ends(dimension, space) for dimension in space.dimensions), space.constants)
    if _small(space):
        return space.grid()
    generator = random.Random(0)  # the same sample each time, so that a study that passed goes on passing
    return (space.draw(generator) for _ in range(SAMPLE))


def _small(space: Space) -> bool:
    return space.size is not None and space.size <= ALL_UP_TO


def _ends(dimension: Dimension, space: Space) -> Dimension:
    """A range reduced to its ends, and to the values on which other dimensions depend."""
    if not isinstance(dimension, Numeric):
        return dimension
    parents_of_others = [value for other in space.dimensions for value in other.when.get(dimension.key, ())]
    ends = [dimension.decode(dimension.low), dimension.decode(dimension.high)]
    values = tuple(dict.fromkeys([*ends, *parents_of_others]))
    return Categorical(key=dimension.key, when=dimension.when, values=values)


def _kind(refusals: list[tuple[str, str]]) -> tuple[str, ...]:
    """What tells kinds of refusals apart: the keys at fault and the rules, without the values."""
    return tuple(f"{key}: {rule.partition(' but got ')[0]}" for key, rule in refusals)


def _example(
    space: Space, toggles: Toggles, refusals: Refusals, values: dict[str, Any], count: int, tried: int
) -> RefusedCombination:
    """The refusal of `values` without the settings that do not contribute to it."""
    kind = _kind(refusals(space.overrides(values, toggles)))
    for key in list(values):
        fewer = {other: value for other, value in values.items() if other != key}
        if _kind(refusals(space.overrides(fewer, toggles))) == kind:
            values = fewer
    key, rule = refusals(space.overrides(values, toggles))[0]
    return RefusedCombination(values, f"{key}: {rule}" if key else rule, count, tried)
