"""The sections of a recipe: one record type each, or a union of several that a tag tells apart."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True)
class Setting:
    """A field of a section.

    Attributes:
        annotation: The type that it takes.
        default: Its value where none is given; None also for a required one.
    """

    annotation: Any
    default: Any = None


@dataclass(frozen=True)
class SectionType:
    """The record types of a section: pydantic models or dataclasses.

    Attributes:
        records: The record types by the value of the setting `tag` ("resnet" -> ResNet). Without a tag, the only record
            type, or several that nothing tells apart, by the names of their classes.
        tag: The setting that tells the record types apart; empty where there is none.
        default: The tag of a section that does not name its own.
    """

    records: Mapping[str, type]
    tag: str = ""
    default: str | None = None

    @classmethod
    def of(cls, annotation: Any, default: Any = None) -> SectionType | None:
        """Return the section that a setting is; None for a plain value.

        A union of record types is told apart by the first setting that each of them has as a Literal with values of
        its own, as with pydantic's `Field(discriminator=...)`.

        Args:
            annotation: The type of the setting. `X | None` is the section X.
            default: Its default value.
        """
        records = list(dict.fromkeys(_records(annotation)))
        if not records:
            return None
        tag = _tag(tuple(records))
        if not tag:
            return cls({record.__name__: record for record in records})
        tagged = {value: record for record in records for value in _literals(settings_of(record)[tag].annotation)}
        return cls(tagged, tag, getattr(default, tag, None))

    def tag_of(self, settings: Mapping[str, Any]) -> str | None:
        """Return the tag of a section with these settings; None where it has none."""
        return settings.get(self.tag, self.default) if self.tag else None

    def record(self, settings: Mapping[str, Any]) -> type | None:
        """Return the record type of a section with these settings; None for an unknown tag, or without a tag."""
        if not self.tag:
            return next(iter(self.records.values())) if len(self.records) == 1 else None
        tag = self.tag_of(settings)
        return self.records.get(tag) if isinstance(tag, str) else None

    def fields(self, settings: Mapping[str, Any]) -> dict[str, Setting]:
        """Return the fields of a section with these settings, by name.

        Where no tag tells the record types apart, the fields of all of them; for an unknown tag, none.
        """
        record = self.record(settings)
        if record is not None:
            return settings_of(record)
        if self.tag:
            return {}
        return {name: field for each in self.records.values() for name, field in settings_of(each).items()}


def is_record(annotation: Any) -> bool:
    """Return whether `annotation` is a type with named settings: a pydantic model or a dataclass."""
    return isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation))


@cache
def settings_of(record: type) -> dict[str, Setting]:
    """Return the fields of a record type, by the names under which they are given."""
    if issubclass(record, BaseModel):
        return {
            info.alias or name: Setting(info.annotation, _default(info.default, info.default_factory))
            for name, info in record.model_fields.items()
        }
    hints = typing.get_type_hints(record, include_extras=True)
    return {
        item.name: Setting(hints[item.name], _default(item.default, item.default_factory))
        for item in dataclasses.fields(typing.cast(Any, record))
    }


def _default(value: Any, factory: Any) -> Any:
    if callable(factory) and factory is not dataclasses.MISSING:
        try:
            return factory()
        except TypeError:  # a factory of pydantic's may take the settings that were validated before
            return None
    return value


def _records(annotation: Any) -> Iterator[type]:
    """The record types in an annotation: itself, or the members of a union."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _records(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _records(member)
    elif is_record(annotation):
        yield annotation


@cache
def _tag(records: tuple[type, ...]) -> str:
    """The setting that tells several record types apart; "" where there is none."""
    if len(records) < 2:
        return ""
    for name in settings_of(records[0]):
        values = [_literals(fields[name].annotation) if name in fields else () for fields in map(settings_of, records)]
        # Every type has the setting as a Literal, and no two types share a value.
        if all(values) and sum(map(len, values)) == len({value for each in values for value in each}):
            return name
    return ""


def _literals(annotation: Any) -> tuple[str, ...]:
    """The values of a Literal of texts; nothing for any other annotation."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _literals(typing.get_args(annotation)[0])
    texts = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()
    return texts if all(isinstance(text, str) for text in texts) else ()
