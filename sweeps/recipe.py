"""A workload's recipe as a study sees it: dotted keys, their defaults, and the check of values."""

from __future__ import annotations

import copy
import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError


class BadRecipe(Exception):
    """A recipe that its schema refuses. `mistakes` are (dotted key, rule) pairs."""

    def __init__(self, mistakes: list[tuple[str, str]]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(f"{key}: {rule}" if key else rule for key, rule in mistakes))


@dataclass(frozen=True)
class RecipeSchema:
    """The recipe type of a workload: a pydantic model or a dataclass, nested as it likes."""

    type: type

    @staticmethod
    def accepts(annotation: Any) -> bool:
        """Whether `annotation` can serve as a recipe type."""
        return isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation))

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.type)

    @cached_property
    def keys(self) -> dict[str, Any]:
        """Every dotted key, sections included, with its annotation: {"model": ..., "model.widths": ..., ...}."""
        return dict(_walk(self.type, ""))

    def validate(self, settings: Mapping[str, Any]) -> Any:
        """The recipe for nested `settings`; what is not named keeps its default. Raises BadRecipe."""
        try:
            return self._adapter.validate_python(dict(settings))
        except ValidationError as error:
            raise BadRecipe([_mistake(detail) for detail in error.errors()]) from None

    def dump(self, recipe: Any) -> dict[str, Any]:
        """A recipe as nested plain data, every default written out."""
        return typing.cast(dict[str, Any], self._adapter.dump_python(recipe, mode="json"))

    def get(self, recipe: Any, key: str) -> Any:
        """The value of a dotted key in a recipe; raises KeyError where the recipe has no such key."""
        node: Any = self.dump(recipe)
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                raise KeyError(key)
            node = node[part]
        return node


def merge(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Nested `settings` with `overrides` (by dotted key) put in. A mapping as value is merged into its section."""
    merged = copy.deepcopy(dict(settings))
    for key, value in overrides.items():
        *sections, last = key.split(".")
        node = merged
        for section in sections:
            if not isinstance(node.get(section), dict):
                node[section] = {}
            node = node[section]
        if isinstance(value, Mapping) and isinstance(node.get(last), dict):
            node[last] = {**node[last], **copy.deepcopy(dict(value))}
        else:
            node[last] = copy.deepcopy(value)
    return merged


def _mistake(detail: Mapping[str, Any]) -> tuple[str, str]:
    key = ".".join(str(part) for part in detail["loc"])
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden" or detail["type"] == "unexpected_keyword_argument":
        return key, "unknown key"
    value = detail.get("input")
    shown = "" if isinstance(value, Mapping) or detail["type"] == "missing" else f" but got {value!r}"
    return key, f"{message[0].lower()}{message[1:]}{shown}"


def _walk(annotation: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for section in _sections(annotation):
        for name, inner in _fields(section):
            key = f"{prefix}{name}"
            yield key, inner
            yield from _walk(inner, f"{key}.")


def _sections(annotation: Any) -> Iterator[type]:
    """The record types inside an annotation: itself, or the members of a union."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _sections(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _sections(member)
    elif RecipeSchema.accepts(annotation):
        yield annotation


def _fields(section: type) -> Iterator[tuple[str, Any]]:
    if issubclass(section, BaseModel):
        for name, info in section.model_fields.items():
            yield info.alias or name, info.annotation
    else:
        hints = typing.get_type_hints(section)
        for item in dataclasses.fields(typing.cast(Any, section)):
            yield item.name, hints[item.name]
