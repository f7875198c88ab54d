"""The mistakes in a study file: each with its place, its key and the rule that is broken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sweeps.io.errors import UserError
from sweeps.io.paths import Violation, _cut

KEY_WIDTH, RULE_WIDTH, MISTAKES_SHOWN = 200, 1_000, 100


@dataclass(frozen=True)
class Mistake:
    """One broken rule.

    Attributes:
        place: Where it was broken: "studies/x.yaml:12", or an option such as "--set optimizer.lr".
        key: The dotted key at fault; empty for a mistake that belongs to no key.
        rule: The rule, with the value that broke it and what would be accepted.
    """

    place: str
    key: str
    rule: str

    def __str__(self) -> str:
        parts = (self.place, _cut(self.key, KEY_WIDTH), _cut(" ".join(self.rule.split()), RULE_WIDTH))
        return ": ".join(part for part in parts if part)


class StudyError(UserError):
    """A study that cannot be run as written.

    Its text has one line per mistake, sorted by file and line, and at most `MISTAKES_SHOWN` of them.

    Attributes:
        mistakes: All the mistakes, sorted, each once.
    """

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(dict.fromkeys(mistakes), key=_order)
        lines = list(map(str, self.mistakes[:MISTAKES_SHOWN]))
        hidden = len(self.mistakes) - len(lines)
        super().__init__("\n".join([*lines, f"… and {hidden:,} more"] if hidden else lines))


def failure(place: str, rule: str) -> StudyError:
    """Return the error for a single mistake that belongs to no key."""
    return StudyError([Mistake(place, "", rule)])


class RuleError(ValueError):
    """Rules that are broken inside one section.

    A ValueError, so that pydantic passes it on unchanged in the context of its own error.

    Attributes:
        violations: (path, rule) pairs; the paths are relative to the section.
    """

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(rule for _, rule in violations))


def _order(mistake: Mistake) -> tuple[str, int, str, str]:
    # By number, not by text: line 10 comes after line 9.
    name, _, line = mistake.place.rpartition(":")
    if name and line.isdecimal():
        return name, int(line), mistake.key, mistake.rule
    return mistake.place, 0, mistake.key, mistake.rule
