"""What is wrong with a study file: every mistake with its place, its key and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.errors import UserError, unknown

__all__ = [
    "Found",
    "KeyPath",
    "Mistake",
    "RuleError",
    "StudyError",
    "dotted",
    "failure",
    "plainly",
    "settled",
    "shown",
    "unknown",
]

KeyPath = tuple[str | int, ...]  # the way from the top of the file to a value: keys of mappings, indices of lists
Found = tuple[KeyPath, str]  # a path and the rule broken there

VALUE_WIDTH = 80
KEY_WIDTH, RULE_WIDTH, MISTAKES_SHOWN = 200, 1_000, 100


@dataclass(frozen=True)
class Mistake:
    """One broken rule. `place` is "studies/x.yaml:12" or an option such as "--set optimizer.lr"."""

    place: str
    key: str
    rule: str

    def __str__(self) -> str:
        parts = (self.place, _cut(self.key, KEY_WIDTH), _cut(" ".join(self.rule.split()), RULE_WIDTH))
        return ": ".join(part for part in parts if part)


class StudyError(UserError):
    """A study that cannot be run as written. Its text is the report, a line for each of the first hundred mistakes."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(dict.fromkeys(mistakes), key=_order)
        lines = list(map(str, self.mistakes[:MISTAKES_SHOWN]))
        left = len(self.mistakes) - len(lines)
        super().__init__("\n".join([*lines, f"… and {left:,} more"] if left else lines))


def failure(place: str, rule: str) -> StudyError:
    """The error for a single mistake that belongs to no key."""
    return StudyError([Mistake(place, "", rule)])


class RuleError(ValueError):
    """RuleError broken inside one section, by paths relative to it. Pydantic carries a ValueError as it is."""

    def __init__(self, found: Sequence[Found]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(rule for _, rule in found))


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


def _order(mistake: Mistake) -> tuple[str, int, str, str]:
    name, _, line = mistake.place.rpartition(":")
    if name and line.isdecimal():
        return name, int(line), mistake.key, mistake.rule
    return mistake.place, 0, mistake.key, mistake.rule
