"""Translate pydantic's errors about a recipe: dotted keys as in a study file, without the types of unions."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sweeps.io.errors import unknown
from sweeps.io.paths import text_hint
from sweeps.recipe.unions import SectionType, settings_of

UNKNOWN_KEY = "unknown key"
"""The rule against a key that no type of its section has."""
_NO_SECTION = {"dict_type", "model_type", "model_attributes_type", "dataclass_type"}
"""Pydantic's errors about a value that should be a section."""
ELSEWHERE = "is a setting of "
"""The beginning of the rule against a setting that only another type of its section has."""

_EXPECTED = re.compile(r"input should be (?P<type>.+) but got (?P<value>.+)")
_NO_BOOLEAN = ("bool_type", "bool_parsing")


@dataclass(frozen=True)
class _TaggedSection:
    """A tagged section on the way to a setting: the key of its tag, its type, its tag, and the rest of the way."""

    key: str
    section: SectionType
    tag: str | None
    remainder: tuple[str, ...]


def mistakes(whole: SectionType, settings: Mapping[str, Any], error: ValidationError) -> list[tuple[str, str]]:
    """Return the rules that a recipe breaks.

    Args:
        whole: The recipe type.
        settings: Nested settings, with the tags of their sections filled in.
        error: What pydantic raised against them.

    Returns:
        (dotted key, rule) pairs, unknown tags first. What is inside a section with an unknown tag is not reported.
    """
    wrong_tags = dict(_wrong_tags(whole, settings, ""))
    rules = [(f"{section}.{tag}".removeprefix("."), rule, "") for section, (tag, rule) in wrong_tags.items()]
    for detail in error.errors(include_url=False):
        parts = _place(whole, settings, detail["loc"])
        if parts is None or any(".".join(parts[:end]) in wrong_tags for end in range(len(parts) + 1)):
            continue
        rule, hint = _rule(whole, settings, parts, typing.cast(dict[str, Any], detail))
        rules.append((".".join(parts), rule, hint))
    return _joined(rules)


def _rule(
    whole: SectionType, settings: Mapping[str, Any], parts: tuple[str, ...], detail: Mapping[str, Any]
) -> tuple[str, str]:
    """Return the rule that a setting breaks, and a hint how it is written; "" where there is none."""
    kind, value = str(detail["type"]), detail.get("input")
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return _elsewhere(whole, settings, parts) or UNKNOWN_KEY, ""
    if kind in _NO_SECTION:
        return f"input should be a mapping of settings but got {value!r}", _as_name(whole, settings, parts, value)
    message = str(detail["msg"]).removeprefix("Value error, ").replace("a valid tuple", "a list")
    if kind in _NO_BOOLEAN:
        message = "Input should be true or false"
    shown = "" if isinstance(value, Mapping) or kind == "missing" else f" but got {value!r}"
    hint = text_hint(value) if kind.endswith("_type") or kind in _NO_BOOLEAN else ""
    return f"{message[0].lower()}{message[1:]}{shown}", hint


def _joined(rules: Sequence[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """Join the rules on one value, which pydantic refuses once for each type of a union."""
    types_by_value: dict[tuple[str, str], list[str]] = {}
    hints: dict[tuple[str, str], str] = {}
    for key, rule, hint in rules:
        match = _EXPECTED.fullmatch(rule)
        place = key, match["value"] if match else rule
        types_by_value.setdefault(place, []).extend([match["type"]] if match else [])
        hints[place] = hints.get(place) or hint
    return [(place[0], _refusal(place[1], types) + hints[place]) for place, types in types_by_value.items()]


def _refusal(rest: str, types: Sequence[str]) -> str:
    return f"input should be {' or '.join(dict.fromkeys(types))} but got {rest}" if types else rest


def _as_name(section: SectionType | None, settings: Any, parts: tuple[str, ...], value: Any) -> str:
    """How the section at `parts` is written whose name alone is given: `model: resnet`; "" where it has no name."""
    for part in parts:
        field = section.fields(settings).get(part) if section is not None and isinstance(settings, Mapping) else None
        section = SectionType.of(field.annotation, field.default) if field is not None else None
        settings = settings.get(part) if isinstance(settings, Mapping) else None
    is_name = isinstance(value, str) and section is not None and "name" in section.fields({"name": value})
    return f"; write {{name: {value}}}" if is_name else text_hint(value)


def _wrong_tags(section: SectionType | None, settings: Any, key: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """The sections with an unknown tag, by key, each with the name of its tag and the rule."""
    if section is None or not isinstance(settings, Mapping):
        return
    if section.tag and section.record(settings) is None:
        yield key, (section.tag, _unknown_tag(section, section.tag_of(settings), key.rpartition(".")[2] or section.tag))
    for name, field in section.fields(settings).items():
        inner = SectionType.of(field.annotation, field.default)
        yield from _wrong_tags(inner, settings.get(name), f"{key}.{name}".removeprefix("."))


def _unknown_tag(section: SectionType, tag: Any, noun: str) -> str:
    if isinstance(tag, str):
        return unknown(noun, tag, section.records)
    value = "" if tag is None else f" but got {tag!r}"
    return f"must be one of {', '.join(section.records)}{value}"


def _place(section: SectionType | None, settings: Any, loc: Sequence[str | int]) -> tuple[str, ...] | None:
    """The parts of a dotted key for pydantic's `loc`; None for an error of a type that the section does not have.

    Pydantic puts the type of a tagged section, by its tag or its class, before what is inside it. For a union without
    a discriminator it reports the errors of every type.
    """
    parts: list[str] = []
    passed_type = False  # whether `loc` has named the type of the section at hand
    for step in loc:
        part = str(step)
        if section is None and isinstance(step, str) and not isinstance(settings, Mapping):
            continue  # the label of one type of a union, such as "bool"
        if section is not None and section.tag and not passed_type:
            record = section.record(settings if isinstance(settings, Mapping) else {})
            types = [other for other in section.records.values() if re.search(rf"\b{other.__name__}\b", part)]
            if types and record not in types:
                return None
            passed_type = True
            continue
        parts.append(part)
        fields = section.fields(settings) if section is not None and isinstance(settings, Mapping) else {}
        section = SectionType.of(fields[part].annotation, fields[part].default) if part in fields else None
        settings = _inside(settings, step)
        passed_type = False
    return tuple(parts)


def _inside(settings: Any, step: str | int) -> Any:
    """The value of a key or an index; None where there is none."""
    if isinstance(settings, Mapping):
        return settings.get(str(step))
    inside = isinstance(settings, list | tuple) and isinstance(step, int) and step < len(settings)
    return settings[step] if inside else None


def _elsewhere(whole: SectionType, settings: Mapping[str, Any], parts: tuple[str, ...]) -> str:
    """The rule that names the other types of a section on the way that have the setting; "" where none has."""
    for tagged in reversed([*_tagged_sections(whole, settings, parts)]):
        others = [tag for tag, record in tagged.section.records.items() if _reaches(record, tagged.remainder)]
        if others:
            return f"{ELSEWHERE}{tagged.key} = {' or '.join(others)}, but {tagged.key} is {tagged.tag}"
    return ""


def _tagged_sections(section: SectionType | None, settings: Any, parts: tuple[str, ...]) -> Iterator[_TaggedSection]:
    for index, part in enumerate(parts):
        if section is None or not isinstance(settings, Mapping):
            return
        if section.tag:
            key = ".".join([*parts[:index], section.tag])
            yield _TaggedSection(key, section, section.tag_of(settings), parts[index:])
        field = section.fields(settings).get(part)
        section = SectionType.of(field.annotation, field.default) if field is not None else None
        settings = settings.get(part)


def _reaches(record: type, parts: tuple[str, ...]) -> bool:
    """Whether a record type has a setting at this place, with some type of each section on the way."""
    field = settings_of(record).get(parts[0])
    if field is None or len(parts) == 1:
        return field is not None
    section = SectionType.of(field.annotation, field.default)
    return section is not None and any(_reaches(inner, parts[1:]) for inner in section.records.values())
