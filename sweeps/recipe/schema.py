"""The recipe type of a workload: its dotted keys, and how settings are merged, validated and read."""

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
from sweeps.recipe.keys import value_at
from sweeps.recipe.unions import SectionType, Setting, is_record, settings_of


class BadRecipe(Exception):
    """Settings that are not a valid recipe.

    Attributes:
        mistakes: (dotted key, rule) pairs; the key is empty for a rule of the recipe as a whole.
    """

    def __init__(self, mistakes: list[tuple[str, str]]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(f"{key}: {rule}" if key else rule for key, rule in mistakes))


@dataclass(frozen=True)
class RecipeSchema:
    """The recipe type of a workload: a pydantic model or a dataclass, with nested sections.

    A section may be a union of record types with a tag, a Literal setting that tells them apart: `model.name: lenet5`.
    A section that does not name its tag has the type of its default.

    The type may have a static method `expand`, from nested settings to nested settings. It replaces shorthands by the
    settings that they stand for, before anything is merged or validated.

    Example:
        >>> schema = RecipeSchema(Recipe)
        >>> settings = schema.merge({"optimizer": {"lr": 0.1}}, {"optimizer.lr": 0.2, "epochs": 3})
        >>> settings
        {'optimizer': {'lr': 0.2}, 'epochs': 3}
        >>> schema.validate(settings).epochs
        3
    """

    type: type

    @staticmethod
    def accepts(annotation: Any) -> bool:
        """Return whether `annotation` can be a recipe type."""
        return is_record(annotation)

    @property
    def _adapter(self) -> TypeAdapter[Any]:
        return _adapter(self.type)

    @property
    def _whole(self) -> SectionType:
        return _whole(self.type)

    @property
    def keys(self) -> Mapping[str, Any]:
        """Every dotted key with its annotation, sections included: {"model": ..., "model.widths": ..., ...}.

        A section with several types has the keys of all of them.
        """
        return _keys(self.type)

    @property
    def tags(self) -> frozenset[str]:
        """The dotted keys of the settings that tell the types of a section apart: {"model.name"}."""
        return _all_tags(self.type)

    @property
    def shorthands(self) -> frozenset[str]:
        """The settings that stand for others: those of pydantic's `Field(exclude=True)`. A recipe's dump lacks them."""
        fields: Mapping[str, Any] = getattr(self.type, "model_fields", {})
        return frozenset(name for name, info in fields.items() if info.exclude)

    def validate(self, settings: Mapping[str, Any]) -> Any:
        """Return the recipe for nested settings.

        Args:
            settings: Nested settings; those that are missing have their defaults.

        Raises:
            BadRecipe: With all the mistakes.
        """
        # Pydantic needs the tag of a section to pick its type; it does not fall back to the default's.
        whole = _tagged(self._whole, self._expanded(settings))
        try:
            return self._adapter.validate_python(whole)
        except ValidationError as error:
            raise BadRecipe(mistakes(self._whole, whole, error)) from None

    def merge(self, settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Return nested settings with some of them overridden.

        A section that changes its type (`model.name: lenet5` over a ResNet) starts from the defaults of the new type:
        none of its earlier settings stays, whatever the order of the overrides.

        Args:
            settings: Nested settings; they are not changed.
            overrides: Values by dotted key. A mapping is merged into its section.
        """
        return _merged(self._whole, copy.deepcopy(self._expanded(settings)), merge({}, overrides))

    def takes(self, settings: Mapping[str, Any], key: str) -> bool:
        """Return whether the recipe of these settings has the dotted key, given the types of its sections."""
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
        """`settings` with the shorthands replaced by what they stand for."""
        return dict(getattr(self.type, "expand", dict)(settings))

    def dump(self, recipe: Any) -> dict[str, Any]:
        """Return a recipe as nested plain data, as in JSON, with every default."""
        return typing.cast(dict[str, Any], self._adapter.dump_python(recipe, mode="json"))

    def get(self, recipe: Any, key: str) -> Any:
        """Return the value of a dotted key in a recipe. Raises KeyError where the recipe has no such key."""
        absent = object()  # None may be a setting
        value = value_at(self.dump(recipe), key, absent)
        if value is absent:
            raise KeyError(key)
        return value

    def json_schema(self, ref_template: str) -> dict[str, Any]:
        """Return the JSON Schema of the nested settings.

        In it, a section may omit its tag only if it has the type of the default, as `validate` has it.

        Args:
            ref_template: The form of references to definitions, such as "#/$defs/{model}".
        """
        whole = self._adapter.json_schema(ref_template=ref_template)
        _require_tags(whole)
        return whole


@cache
def _adapter(record: type) -> TypeAdapter[Any]:
    return TypeAdapter(record)


@cache
def _whole(record: type) -> SectionType:
    whole = SectionType.of(record)
    assert whole is not None, "a recipe type must pass `accepts`"
    return whole


@cache
def _keys(record: type) -> Mapping[str, Any]:
    keys: dict[str, Any] = {}
    for key, annotation in _walk(_whole(record), ""):
        # Two types of a section may have a setting of the same name. `|` does not take every annotation, Union does.
        keys[key] = typing.Union[keys[key], annotation] if key in keys else annotation  # noqa: UP007
    return MappingProxyType(keys)


@cache
def _all_tags(record: type) -> frozenset[str]:
    return frozenset(_tags(_whole(record), ""))


def merge(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with some of them overridden, without a schema.

    Args:
        settings: Nested settings; they are not changed.
        overrides: Values by dotted key. A mapping is merged into its section, which keeps its other settings.
    """
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
        settings = {}  # the type changes: the settings of the old type do not apply to the new one
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
    """`settings` with the tag of the default in each section that does not name its own."""
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
    """Require the tag in the members of a tagged union, except in that of the default.

    Editors know nothing of default tags: to them, a section without its tag would match several members.
    """
    if isinstance(node, list):
        for item in node:
            _require_tags(item)
    if not isinstance(node, dict):
        return
    if "discriminator" in node and "oneOf" in node:
        tag, refs = node["discriminator"]["propertyName"], node["discriminator"]["mapping"]
        default = refs.get((node.get("default") or {}).get(tag))
        node["oneOf"] = [
            member if member.get("$ref") == default else {**member, "required": [tag]} for member in node["oneOf"]
        ]
    for inner in node.values():
        _require_tags(inner)
