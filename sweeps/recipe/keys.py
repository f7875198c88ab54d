"""The dotted keys of a recipe: which of a study's settings exist, and what was meant by those that do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.io.errors import unknown
from sweeps.io.paths import Violation


def unknown_settings(settings: Mapping[str, Any], keys: Mapping[str, Any], prefix: str = "") -> Iterator[Violation]:
    """The paths in nested `settings` that are no keys of the recipe. A section without keys of its own takes any."""
    for name, value in settings.items():
        key = f"{prefix}{name}"
        if key not in keys:
            yield (name,), unknown_setting(key, keys)
        elif "." in name:
            section, _, last = key.rpartition(".")
            yield (name,), f"write it in its section: {section}: {{{last}: …}}"
        elif isinstance(value, Mapping) and children(key, keys):
            yield from (((name, *path), rule) for path, rule in unknown_settings(value, keys, f"{key}."))


def unknown_setting(key: str, keys: Mapping[str, Any]) -> str:
    """The rule for a dotted key that does not exist: the nearest key, and the valid ones of its section."""
    section = key.rpartition(".")[0]
    while section and section not in keys:
        section = section.rpartition(".")[0]
    last = key.rpartition(".")[2]
    namesakes = [other for other in keys if other.rpartition(".")[2] == last]
    if namesakes:  # the right word in the wrong place
        return f"unknown setting {key!r}; did you mean {namesakes[0]!r}? valid: {', '.join(children(section, keys))}"
    return unknown("setting", key, children(section, keys), keys)


def children(section: str, keys: Mapping[str, Any]) -> list[str]:
    """The keys directly inside `section` ("" is the recipe itself)."""
    prefix = f"{section}." if section else ""
    return [key for key in keys if key.startswith(prefix) and "." not in key[len(prefix) :]]


def nested_in(key: str, other: str) -> bool:
    """Whether one of two keys is the other or lies inside it."""
    return key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.")
