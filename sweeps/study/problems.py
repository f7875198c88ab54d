"""What is wrong with a study file: every mistake with its place, its key and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sweeps.io.errors import UserError, unknown
from sweeps.io.paths import KeyPath, Violation, _cut, dotted, plainly, settled, shown

__all__ = [
    "KeyPath",
    "Mistake",
    "RuleError",
    "StudyError",
    "Violation",
    "dotted",
    "failure",
    "plainly",
    "settled",
    "shown",
    "unknown",
]


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

    def __init__(self, found: Sequence[Violation]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(rule for _, rule in found))


def _order(mistake: Mistake) -> tuple[str, int, str, str]:
    name, _, line = mistake.place.rpartition(":")
    if name and line.isdecimal():
        return name, int(line), mistake.key, mistake.rule
    return mistake.place, 0, mistake.key, mistake.rule
