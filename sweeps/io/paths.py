"""sweeps.io.paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

KeyPath = tuple[str | int, ...]  # the way from the top of the file to a value: keys of mappings, indices of lists
Violation = tuple[KeyPath, str]  # a path and the rule broken there
VALUE_WIDTH = 80


def shown(value: Any) -> str:
    """A value as a message quotes it: its repr, cut to one line."""
    return _cut(repr(value), VALUE_WIDTH)


def plainly(value: Any) -> str:
    """A value as a study file may have it, cut to one line."""
    return _cut(" ".join(str(value).split()), VALUE_WIDTH)


def settled(path: Sequence[str | int], data: Any) -> KeyPath:
    """`path` without the parts that `data` does not have, such as the tags which pydantic adds for unions.

    A last part that is absent from a mapping stays: it names a missing key.
    """
    kept: list[str | int] = []
    node = data
    for index, part in enumerate(path):
        if _has(node, part):
            kept.append(part)
            node = node[part]
        elif index == len(path) - 1 and isinstance(node, Mapping):
            kept.append(part)
    return tuple(kept)


def dotted(path: Iterable[str | int]) -> str:
    """A path as a reader writes it: ("model", "widths", 0) is "model.widths.0"."""
    return ".".join(map(str, path))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _has(node: Any, part: str | int) -> bool:
    if isinstance(node, Mapping):
        return part in node
    return isinstance(node, list | tuple) and isinstance(part, int) and 0 <= part < len(node)
