"""Paths to values inside nested data, and how messages show such paths and values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
# What people write for YAML 1.2's true, false and null, which have no other spelling.
_YAML_WORDS = {
    **dict.fromkeys(("true", "yes", "on"), "true"),
    **dict.fromkeys(("false", "no", "off"), "false"),
    "none": "null",
    "null": "null",
}

KeyPath = tuple[str | int, ...]  # from the top of the data to a value: keys of mappings, indices of lists
Violation = tuple[KeyPath, str]  # a path and the rule that its value breaks
VALUE_WIDTH = 80
_WORD = re.compile(r"[A-Za-z_][\w./-]*")  # text that needs no quotes


def shown(value: Any) -> str:
    """Return the repr of a value for a message, cut to `VALUE_WIDTH` characters."""
    return _cut(repr(value), VALUE_WIDTH)


def text_hint(value: Any) -> str:
    """Return what to write instead of a text where a value of another kind is required; "" for any other value."""
    if not isinstance(value, str):
        return ""
    word = value.strip()
    if "${" in word:
        return "; ${…} is not filled in: write the value itself"
    if word.startswith("(") or word.endswith(")"):
        return "; a list is written in brackets: [8, 16]"
    is_quoted = word.startswith("[") or _NUMBER.fullmatch(word)
    instead = _YAML_WORDS.get(word.lower(), word if is_quoted else "")
    return f"; this is text: write {instead}, without quotes" if instead else ""


def plainly(value: Any) -> str:
    """Return a value as a study file may have it, on one line, cut to `VALUE_WIDTH` characters."""
    return _cut(_flow(value), VALUE_WIDTH)


def settled(path: Sequence[str | int], data: Any) -> KeyPath:
    """Return `path` without the parts that do not exist in `data`, such as the tags that pydantic adds for unions.

    A last part that is missing from a mapping stays: it names a missing key.
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
    """Return a path as text: ("model", "widths", 0) becomes "model.widths.0"."""
    return ".".join(map(str, path))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_flow(key)}: {_flow(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str) and _WORD.fullmatch(value) and value.lower() not in ("null", "true", "false"):
        return value
    return json.dumps(value, ensure_ascii=False)


def _has(node: Any, part: str | int) -> bool:
    """Whether `node` is a mapping with the key `part` or a list with the index `part`."""
    if isinstance(node, Mapping):
        return part in node
    return isinstance(node, list | tuple) and isinstance(part, int) and 0 <= part < len(node)
