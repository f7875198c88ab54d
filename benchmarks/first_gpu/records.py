"""What a step measured, kept as JSON after each of its parts, so that a stop loses nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Status = Literal["ok", "wrong", "failed", "skipped", "cut off", "not here", "running"]
BAD: frozenset[Status] = frozenset({"wrong", "failed"})


class Wrong(Exception):
    """A part ran, but its figures are not as they should be.

    Attributes:
        figures: The figures.
    """

    def __init__(self, reason: str, figures: Mapping[str, Any]) -> None:
        super().__init__(reason)
        self.figures = dict(figures)


class NotHere(Exception):
    """A part needs what this machine does not have."""


@dataclass(frozen=True)
class PartRecord:
    """The record of one part of a step.

    Attributes:
        part: Its name.
        status: ok; wrong: it ran, but a check failed; failed: an error ended it; skipped: no time was left; cut off:
            its step's time was up while it ran; not here: the machine lacks what it needs; running: it has begun.
        seconds: How long it took, set-up included.
        figures: What it measured.
        reason: Why it is not ok; "" if it is.
    """

    part: str
    status: Status
    seconds: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class StepRecord:
    """The record of a step.

    Attributes:
        title: The question of the step.
        machine: See `machine.Machine`.
        parts: The names of all its parts, in their order; empty until its process has told them.
        records: Those that have begun, ended or been skipped.
    """

    title: str
    machine: Mapping[str, Any]
    parts: tuple[str, ...] = ()
    records: tuple[PartRecord, ...] = ()

    def left(self) -> list[str]:
        """Return the parts that have no record yet."""
        done = {record.part for record in self.records}
        return [part for part in self.parts if part not in done]

    def with_record(self, record: PartRecord) -> StepRecord:
        """Return the step with a record added, in place of an earlier one of the same part."""
        others = tuple(each for each in self.records if each.part != record.part)
        return replace(self, records=(*others, record))

    @property
    def running(self) -> PartRecord | None:
        """The part that has begun and not ended."""
        return next((record for record in self.records if record.status == "running"), None)

    def count(self, statuses: Sequence[Status] | frozenset[Status]) -> int:
        """Return how many parts have one of the statuses."""
        return sum(record.status in statuses for record in self.records)


def save(step: StepRecord, file: Path) -> None:
    """Write the step's record; the file is the old one or the new one at any moment."""
    partial = file.with_name(f".{file.name}")
    partial.write_text(json.dumps(_plain(asdict(step)), indent=1) + "\n", encoding="utf-8")
    partial.replace(file)


def load(file: Path) -> StepRecord:
    """Return the step that `save` wrote."""
    plain = json.loads(file.read_text(encoding="utf-8"))
    records = tuple(PartRecord(**record) for record in plain["records"])
    return StepRecord(plain["title"], plain["machine"], tuple(plain["parts"]), records)


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: numbers that are not finite as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
