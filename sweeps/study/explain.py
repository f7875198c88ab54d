"""Translate pydantic's errors into the terms of a study file: the key at fault, the rule, the value, the remedy."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from sweeps.io.errors import unknown
from sweeps.io.paths import KeyPath, Violation, plainly, shown, text_hint
from sweeps.recipe.synonyms import meant
from sweeps.study.parameters import Parameter, written_path
from sweeps.study.problems import RuleError
from sweeps.study.sections import FORMS, Section

_MUST_BE = {
    "int_type": "an integer",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of settings",
    "model_attributes_type": "a mapping of settings",
    "finite_number": "a finite number",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}
_EMPTY = {"too_short", "string_too_short"}


def explain(error: ValidationError, model: type[Section], data: Mapping[str, Any]) -> list[Violation]:
    """Return the rules that a study file breaks.

    Args:
        error: What pydantic raised.
        model: The model that was validated.
        data: The data of the file, as written.

    Returns:
        (path, rule) pairs; the paths lead into `data`.
    """
    violations: list[Violation] = []
    for detail in error.errors(include_url=False):
        # Pydantic names the form of a union in the path. At the top a key may be called like a form, so it stays.
        path = tuple(part for index, part in enumerate(detail["loc"]) if part not in FORMS or index == 0)
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, RuleError):
            violations += [(as_written((*path, *inner), data), rule) for inner, rule in cause.violations]
        else:
            violations.append((as_written(path, data), _rule(typing.cast(dict[str, Any], detail), model, path)))
    return violations


def as_written(path: KeyPath, data: Mapping[str, Any]) -> KeyPath:
    """Return `path` as the file has it: a parameter may be written in nested groups instead of by its dotted key."""
    if len(path) > 1 and path[0] == "parameters":
        return (*written_path(data.get("parameters"), str(path[1])), *path[2:])
    return path


def _rule(detail: Mapping[str, Any], model: type[Section], path: KeyPath) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return _unknown_key(_section(model, path[:-1]), str(path[-1]))
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind in _EMPTY:
        return "must not be empty"
    hint = _nearest(detail) if kind == "literal_error" or kind.startswith("model_") else text_hint(value)
    return f"must be {_requirement(detail, model, path)} but got {shown(value)}{hint}"


def _requirement(detail: Mapping[str, Any], model: type[Section], path: KeyPath) -> str:
    kind = detail["type"]
    if kind.startswith("model_") and _section(model, path) is Parameter:
        value = detail["input"]
        if isinstance(value, list) and len(value) > 1:
            return f"written {{values: {plainly(value)}}}"
        constant = value[0] if isinstance(value, list) and value else value
        return f"written {{value: {plainly(constant)}}} or {{values: […]}}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"{words} {detail['ctx'][bound]}"
    if kind == "literal_error":
        return str(detail["ctx"]["expected"])
    return _MUST_BE.get(kind, str(detail["msg"]).removeprefix("Input should be "))


def _nearest(detail: Mapping[str, Any]) -> str:
    if detail["type"] != "literal_error" or not isinstance(detail["input"], str):
        return ""
    options = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
    near = difflib.get_close_matches(detail["input"], options, n=1)
    return f"; did you mean {near[0]!r}?" if near and len(options) > 1 else ""


def _unknown_key(section: type[Section], name: str) -> str:
    hint = section.hints.get(name)
    return (
        hint
        if hint is not None
        else unknown("key", name, section.model_fields, meant=meant(name, section.model_fields))
    )


def _section(model: type[Section], path: KeyPath) -> type[Section]:
    """The model of the section at `path`. Keys that are names chosen by the user do not lead further in."""
    for part in path:
        info = model.model_fields.get(str(part))
        inner = next(_sections(info.annotation), None) if info else None
        model = inner or model
    return model


def _sections(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield typing.cast(type[Section], annotation)
    for argument in typing.get_args(annotation):
        yield from _sections(argument)
