"""The dotted keys of a recipe: find the settings that it does not have, and the nearest that it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.io.errors import unknown
from sweeps.io.paths import Violation
from sweeps.recipe.synonyms import meant


def unknown_settings(settings: Mapping[str, Any], keys: Mapping[str, Any], prefix: str = "") -> Iterator[Violation]:
    """Yield the settings that the recipe does not have.

    Args:
        settings: Nested settings.
        keys: The dotted keys of the recipe, sections included. A section without keys of its own takes any setting.
        prefix: The dotted key of `settings` in the recipe, with its final dot.

    Yields:
        (path, rule) pairs; the paths lead into `settings`.
    """
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
    """Return the rule against a dotted key that does not exist: the nearest key, and the valid keys of its section."""
    section = key.rpartition(".")[0]
    while section and section not in keys:
        section = section.rpartition(".")[0]
    # The right name in the wrong section, or a synonym, is a better guess than a similar name in this section.
    return unknown("setting", key, children(section, keys), keys, meant=meant(key, keys))


def children(section: str, keys: Mapping[str, Any]) -> list[str]:
    """Return the keys directly inside `section`; "" is the recipe itself."""
    prefix = f"{section}." if section else ""
    return [key for key in keys if key.startswith(prefix) and "." not in key[len(prefix) :]]


def value_at(settings: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """Return the value of a dotted key in nested settings, or `default` where they have no such key.

    Example:
        >>> value_at({"optimizer": {"lr": 0.1}}, "optimizer.lr")
        0.1
    """
    node: Any = settings
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return default
        node = node[part]
    return node


def nested_in(key: str, other: str) -> bool:
    """Return whether the two dotted keys are equal or one lies inside the other."""
    return key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.")
