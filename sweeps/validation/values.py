"""Check the values of one parameter against the recipe: each by itself, on top of the baseline."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.io.paths import KeyPath, Violation
from sweeps.recipe.errors import UNKNOWN_KEY
from sweeps.recipe.keys import children, unknown_settings
from sweeps.space.space import Numeric
from sweeps.study.parameters import Parameter
from sweeps.validation.case import Refusals


def wrong_values(key: str, parameter: Parameter, keys: Mapping[str, Any], refusals: Refusals) -> list[Violation]:
    """Return the recipe's objections to the values and bounds of a parameter.

    Args:
        key: The dotted key of the parameter.
        parameter: The parameter.
        keys: The dotted keys of the recipe, with their annotations.
        refusals: Returns the recipe's objections to overrides of the baseline.

    Returns:
        (path, rule) pairs; the paths are relative to the parameter.
    """
    mismatch = _mismatch(key, parameter, keys[key])
    if mismatch is not None:
        return [mismatch]
    violations: list[Violation] = []
    of_the_baseline = set(refusals({}))  # reported once, at the baseline
    for path, value in _samples(key, parameter):
        if isinstance(value, Mapping) and children(key, keys):
            violations += [((*path, *inner), rule) for inner, rule in unknown_settings(value, keys, f"{key}.")]
        new = [refusal for refusal in refusals({key: value}) if refusal not in of_the_baseline]
        violations += _of_value(key, path, value, new)
    return violations


def _of_value(key: str, path: KeyPath, value: Any, refusals: list[tuple[str, str]]) -> Iterator[Violation]:
    """The refusals that are this value's own mistake.

    A mapping may be refused as a whole because it does not go with other settings: the check of combinations, where
    those settings vary too, decides. Unknown keys of a mapping are reported already.
    """
    for refused, rule in refusals:
        inside = refused.startswith(f"{key}.")
        whole = refused == key and not isinstance(value, Mapping)
        if (inside or whole) and rule != UNKNOWN_KEY:
            inner = refused.removeprefix(key).removeprefix(".")
            yield path, f"{inner}: {rule}" if inner and isinstance(value, Mapping) else rule


def _samples(key: str, parameter: Parameter) -> Iterator[tuple[KeyPath, Any]]:
    """The values to try, by path: every value that is named, or both ends of a range."""
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
    """A range of fractions for a setting that takes integers, or the reverse."""
    dimension = parameter.dimension(key)
    kinds = set(_kinds(annotation))
    if not isinstance(dimension, Numeric) or not kinds & {int, float}:
        return None
    if int in kinds and float not in kinds and not dimension.integer:
        return ("distribution",), f"the recipe takes integers only: write {_integer_range(parameter)}"
    if float in kinds and int not in kinds and dimension.integer and parameter.distribution is None:
        return ("min",), (
            "whole bounds search whole numbers only, but the recipe takes fractions: "
            f"write min: {float(dimension.low)}, or distribution: uniform (int_uniform if whole numbers are meant)"
        )
    return None


def _integer_range(parameter: Parameter) -> str:
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
