"""The values of one parameter against the recipe: each by itself, on top of the baseline."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sweeps.io.paths import KeyPath, Violation
from sweeps.recipe.keys import unknown_settings
from sweeps.space.space import Numeric
from sweeps.study.parameters import Parameter

Wrong = Callable[[Mapping[str, Any]], list[tuple[str, str]]]
"""Overrides of the baseline by dotted key, to what the recipe says against them."""


def wrong_values(key: str, parameter: Parameter, keys: Mapping[str, Any], wrong: Wrong) -> list[Violation]:
    """What the recipe says against the values and bounds of `parameter`, by paths relative to it."""
    mismatch = _mismatch(key, parameter, keys[key])
    if mismatch is not None:
        return [mismatch]
    found: list[Violation] = []
    known = set(wrong({}))
    for path, value in _samples(key, parameter):
        if isinstance(value, Mapping):
            found += [((*path, *inner), rule) for inner, rule in unknown_settings(value, keys, f"{key}.")]
        found += _against(key, path, value, [item for item in wrong({key: value}) if item not in known])
    return found


def _against(key: str, path: KeyPath, value: Any, mistakes: list[tuple[str, str]]) -> Iterator[Violation]:
    """The mistakes that are this value's own. One at the section itself, or a key that the section takes only together
    with others, is left to the combinations."""
    for wrong, rule in mistakes:
        inside = wrong.startswith(f"{key}.")
        whole = wrong == key and not isinstance(value, Mapping)
        if (inside or whole) and rule != "unknown key":
            inner = wrong.removeprefix(key).removeprefix(".")
            yield path, f"{inner}: {rule}" if inner and isinstance(value, Mapping) else rule


def _samples(key: str, parameter: Parameter) -> Iterator[tuple[KeyPath, Any]]:
    """The values to try: all that are named, or both ends of a range."""
    if parameter.kind == "constant":
        yield ("value",), parameter.value
    elif parameter.values is not None:
        yield from ((("values", index), value) for index, value in enumerate(parameter.values))
    else:
        dimension = parameter.dimension(key)
        assert isinstance(dimension, Numeric)
        yield ("min",), dimension.decode(dimension.low)
        yield ("max",), dimension.decode(dimension.high)


def _mismatch(key: str, parameter: Parameter, annotation: Any) -> Violation | None:
    """A range of the wrong kind of number for the recipe."""
    dimension = parameter.dimension(key)
    kinds = set(_kinds(annotation))
    if not isinstance(dimension, Numeric) or not kinds & {int, float}:
        return None
    if int in kinds and float not in kinds and not dimension.integer:
        return ("distribution",), f"the recipe takes integers only: write {_whole(parameter)}"
    if float in kinds and int not in kinds and dimension.integer and parameter.distribution is None:
        return ("min",), (
            "whole bounds search whole numbers only, but the recipe takes fractions: "
            f"write min: {float(dimension.low)}, or distribution: uniform (int_uniform if whole numbers are meant)"
        )
    return None


def _whole(parameter: Parameter) -> str:
    if "log" in parameter.kind:
        return "distribution: q_log_uniform_values with q: 1 and whole bounds"
    return "distribution: int_uniform with whole bounds" if parameter.q is None else "a whole q with whole bounds"


def _kinds(annotation: Any) -> Iterator[Any]:
    """The plain types that an annotation takes."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _kinds(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _kinds(member)
    elif origin is typing.Literal:
        yield from {type(value) for value in typing.get_args(annotation)}
    else:
        yield annotation
