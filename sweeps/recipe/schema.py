"""A workload's recipe as a study sees it: dotted keys, their defaults, and the check of values."""

from __future__ import annotations

import copy
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sweeps.recipe.errors import mistakes
from sweeps.recipe.unions import SectionType, Setting, is_record, settings_of


class BadRecipe(Exception):
    """A recipe that its schema refuses. `mistakes` are (dotted key, rule) pairs."""

    def __init__(self, mistakes: list[tuple[str, str]]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(f"{key}: {rule}" if key else rule for key, rule in mistakes))


@dataclass(frozen=True)
class RecipeSchema:
    """The recipe type of a workload: a pydantic model or a dataclass, nested as it likes.

    A section may be a union of record types told apart by a Literal setting, its tag: `model.name: lenet5`. One that
    does not name its tag is of its default's type. Where the type has a method `expand`, from nested settings to nested
    settings, that writes out what a setting stands for (`shorthands`), before anything is merged or validated.
    """

    type: type

    @staticmethod
    def accepts(annotation: Any) -> bool:
        """Whether `annotation` can serve as a recipe type."""
        return is_record(annotation)

    @property
    def _adapter(self) -> TypeAdapter[Any]:
        return _adapter(self.type)

    @property
    def _whole(self) -> SectionType:
        return _whole(self.type)

    @property
    def keys(self) -> Mapping[str, Any]:
        """Every dotted key, sections included, with its annotation: {"model": ..., "model.widths": ..., ...}.

        Of a section that may be one of several types, the keys of all of them.
        """
        return _keys(self.type)

    @property
    def tags(self) -> frozenset[str]:
        """The dotted keys whose values tell the types of a section apart: {"model.name"}."""
        return _all_tags(self.type)

    @property
    def shorthands(self) -> frozenset[str]:
        """The settings that stand for others, and are not found in a recipe: pydantic's `Field(exclude=True)`."""
        fields: Mapping[str, Any] = getattr(self.type, "model_fields", {})
        return frozenset(name for name, info in fields.items() if info.exclude)

    def validate(self, settings: Mapping[str, Any]) -> Any:
        """The recipe for nested `settings`; what is not named keeps its default. Raises BadRecipe."""
        whole = _tagged(self._whole, self._expanded(settings))
        try:
            return self._adapter.validate_python(whole)
        except ValidationError as error:
            raise BadRecipe(mistakes(self._whole, whole, error)) from None

    def merge(self, settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Nested `settings` with `overrides` (by dotted key) put in. A mapping as value is merged into its section.

        A section that becomes one of another type (`model.name: lenet5` over a ResNet) starts from that type's own
        defaults: of the settings that it had none stays, whatever the order of the overrides.
        """
        return _merged(self._whole, copy.deepcopy(self._expanded(settings)), merge({}, overrides))

    def takes(self, settings: Mapping[str, Any], key: str) -> bool:
        """Whether a recipe of these settings has a place for the dotted key, given the types of its sections."""
        section: SectionType | None = self._whole
        node: Any = self._expanded(settings)
        for part in key.split("."):
            fields = section.fields(node if isinstance(node, Mapping) else {}) if section is not None else {}
            if part not in fields:
                return False
            section = SectionType.of(fields[part].annotation, fields[part].default)
            node = node.get(part) if isinstance(node, Mapping) else None
        return True

    def _expanded(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """`settings` with what its shorthands stand for written out."""
        return dict(getattr(self.type, "expand", dict)(settings))

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

    def json_schema(self, ref_template: str) -> dict[str, Any]:
        """The JSON Schema of the nested settings, in which only a section of its default's type may omit its tag."""
        whole = self._adapter.json_schema(ref_template=ref_template)
        _require_tags(whole)
        return whole


@cache
def _adapter(record: type) -> TypeAdapter[Any]:
    return TypeAdapter(record)


@cache
def _whole(record: type) -> SectionType:
    whole = SectionType.of(record)
    assert whole is not None, "accepts() was asked"
    return whole


@cache
def _keys(record: type) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for key, annotation in _walk(_whole(record), ""):
        found[key] = typing.Union[found[key], annotation] if key in found else annotation  # noqa: UP007
    return MappingProxyType(found)


@cache
def _all_tags(record: type) -> frozenset[str]:
    return frozenset(_tags(_whole(record), ""))


def merge(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` with `overrides` put in where no schema is at hand: sections keep all that is not overridden."""
    merged = copy.deepcopy(dict(settings))
    for key, value in overrides.items():
        *sections, last = key.split(".")
        node = merged
        for section in sections:
            if not isinstance(node.get(section), dict):
                node[section] = {}
            node = node[section]
        old = node.get(last)
        node[last] = merge(old, value) if isinstance(value, Mapping) and isinstance(old, dict) else copy.deepcopy(value)
    return merged


def _merged(section: SectionType | None, settings: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    if section is not None and section.tag in overrides and section.record(overrides) is not section.record(settings):
        settings = {}
    merged = dict(settings)
    fields = section.fields({**settings, **overrides}) if section is not None else {}
    for name, value in overrides.items():
        old = merged.get(name)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            field = fields.get(name, Setting(None))
            merged[name] = _merged(SectionType.of(field.annotation, field.default), dict(old), value)
        else:
            merged[name] = value
    return merged


def _tagged(section: SectionType | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` with the tag of each section that is not given one, where its default has one."""
    if section is None:
        return dict(settings)
    whole = dict(settings)
    if section.tag and section.default is not None:
        whole.setdefault(section.tag, section.default)
    for name, field in section.fields(whole).items():
        if isinstance(whole.get(name), Mapping):
            whole[name] = _tagged(SectionType.of(field.annotation, field.default), whole[name])
    return whole


def _walk(section: SectionType, prefix: str) -> Iterator[tuple[str, Any]]:
    for record in dict.fromkeys(section.records.values()):
        for name, field in settings_of(record).items():
            yield f"{prefix}{name}", field.annotation
            inner = SectionType.of(field.annotation, field.default)
            if inner is not None:
                yield from _walk(inner, f"{prefix}{name}.")


def _tags(section: SectionType, prefix: str) -> Iterator[str]:
    if section.tag:
        yield f"{prefix}{section.tag}"
    for record in dict.fromkeys(section.records.values()):
        for name, field in settings_of(record).items():
            inner = SectionType.of(field.annotation, field.default)
            if inner is not None:
                yield from _tags(inner, f"{prefix}{name}.")


def _require_tags(node: Any) -> None:
    """Make the members of a tagged union tell themselves apart to an editor, which knows nothing of default tags."""
    if isinstance(node, list):
        for item in node:
            _require_tags(item)
    if not isinstance(node, dict):
        return
    if "discriminator" in node and "oneOf" in node:
        tag, refs = node["discriminator"]["propertyName"], node["discriminator"]["mapping"]
        usual = refs.get((node.get("default") or {}).get(tag))
        node["oneOf"] = [
            member if member.get("$ref") == usual else {**member, "required": [tag]} for member in node["oneOf"]
        ]
    for inner in node.values():
        _require_tags(inner)
