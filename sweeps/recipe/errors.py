"""What pydantic says against a recipe, in the words of a study file: dotted keys, without the types of unions."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sweeps.io.errors import unknown
from sweeps.recipe.unions import SectionType, settings_of

UNKNOWN_KEY = "unknown key"
ELSEWHERE = "is a setting of "
"""What the rule begins with that refuses a setting which only another type of its section has."""


@dataclass(frozen=True)
class _Choice:
    """A tagged section on the way to a setting: its tag's key, its type there, and the way on from it."""

    tag: str
    section: SectionType
    chosen: str | None
    rest: tuple[str, ...]


def mistakes(whole: SectionType, settings: Mapping[str, Any], error: ValidationError) -> list[tuple[str, str]]:
    """The (dotted key, rule) pairs that `settings` break, the tags of their sections first."""
    wrong = dict(_wrong_tags(whole, settings, ""))
    found = [(f"{section}.{tag}".removeprefix("."), rule) for section, (tag, rule) in wrong.items()]
    for detail in error.errors(include_url=False):
        parts = _place(whole, settings, detail["loc"])
        if parts is None or any(".".join(parts[:end]) in wrong for end in range(len(parts) + 1)):
            continue
        found.append((".".join(parts), _rule(whole, settings, parts, typing.cast(dict[str, Any], detail))))
    return list(dict.fromkeys(found))


def _rule(whole: SectionType, settings: Mapping[str, Any], parts: tuple[str, ...], detail: Mapping[str, Any]) -> str:
    if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return _elsewhere(whole, settings, parts) or UNKNOWN_KEY
    message = str(detail["msg"]).removeprefix("Value error, ")
    value = detail.get("input")
    shown = "" if isinstance(value, Mapping) or detail["type"] == "missing" else f" but got {value!r}"
    return f"{message[0].lower()}{message[1:]}{shown}"


def _wrong_tags(section: SectionType | None, settings: Any, key: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """The tagged sections whose tag is none of theirs, by key: the tag's name and the rule."""
    if section is None or not isinstance(settings, Mapping):
        return
    if section.tag and section.record(settings) is None:
        yield key, (section.tag, _unknown_tag(section, section.chosen(settings), key.rpartition(".")[2] or section.tag))
    for name, field in section.fields(settings).items():
        inner = SectionType.of(field.annotation, field.default)
        yield from _wrong_tags(inner, settings.get(name), f"{key}.{name}".removeprefix("."))


def _unknown_tag(section: SectionType, tag: Any, noun: str) -> str:
    if isinstance(tag, str):
        return unknown(noun, tag, section.records)
    given = "" if tag is None else f" but got {tag!r}"
    return f"must be one of {', '.join(section.records)}{given}"


def _place(section: SectionType | None, settings: Any, loc: Sequence[str | int]) -> tuple[str, ...] | None:
    """The parts of a dotted key for pydantic's `loc`; None for an error of a type that a section does not have.

    Pydantic names the type of a tagged section, by its tag or its class, before what is inside it.
    """
    parts: list[str] = []
    named = False  # whether the type of the section at hand has been passed
    for part in map(str, loc):
        if section is not None and section.tag and not named:
            own = section.record(settings if isinstance(settings, Mapping) else {})
            types = [record for record in section.records.values() if re.search(rf"\b{record.__name__}\b", part)]
            if types and own not in types:
                return None
            named = True
            continue
        parts.append(part)
        fields = section.fields(settings) if section is not None and isinstance(settings, Mapping) else {}
        section = SectionType.of(fields[part].annotation, fields[part].default) if part in fields else None
        settings = settings.get(part) if isinstance(settings, Mapping) else None
        named = False
    return tuple(parts)


def _elsewhere(whole: SectionType, settings: Mapping[str, Any], parts: tuple[str, ...]) -> str:
    """Which other types of the sections on the way have the setting; "" where none has."""
    for choice in reversed([*_choices(whole, settings, parts)]):
        others = [tag for tag, record in choice.section.records.items() if _reaches(record, choice.rest)]
        if others:
            return f"{ELSEWHERE}{choice.tag} = {' or '.join(others)}, but {choice.tag} is {choice.chosen}"
    return ""


def _choices(section: SectionType | None, settings: Any, parts: tuple[str, ...]) -> Iterator[_Choice]:
    for index, part in enumerate(parts):
        if section is None or not isinstance(settings, Mapping):
            return
        if section.tag:
            tag = ".".join([*parts[:index], section.tag])
            yield _Choice(tag, section, section.chosen(settings), parts[index:])
        field = section.fields(settings).get(part)
        section = SectionType.of(field.annotation, field.default) if field is not None else None
        settings = settings.get(part)


def _reaches(record: type, parts: tuple[str, ...]) -> bool:
    """Whether a record type has a setting at this place, in some type of the sections on the way."""
    field = settings_of(record).get(parts[0])
    if field is None or len(parts) == 1:
        return field is not None
    section = SectionType.of(field.annotation, field.default)
    return section is not None and any(_reaches(inner, parts[1:]) for inner in section.records.values())
