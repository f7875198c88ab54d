"""The results of all steps as Markdown and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.first_gpu.parts import shown
from benchmarks.first_gpu.records import BAD, PartRecord, StepRecord


def write_summary(steps: Sequence[StepRecord], file: Path) -> None:
    """Write the results so far as Markdown."""
    file.write_text("\n".join([heading(steps), *(_section(step) for step in steps)]), encoding="utf-8")


def heading(steps: Sequence[StepRecord]) -> str:
    """Return the machine, and on a CPU that no figure is a GPU's."""
    machine = next((step.machine for step in steps if step.machine), {})
    versions = ", ".join(f"{name} {number}" for name, number in machine.get("versions", {}).items())
    where = f"{machine.get('device_name', 'unknown')} ({machine.get('device', 'unknown')}), {versions}"
    note = f"\n**These figures were {machine['note']}.**\n" if machine.get("note") else ""
    return f"# The first minutes on {where}\n{note}"


def overview(steps: Sequence[StepRecord]) -> str:
    """Return a table for the terminal: how many parts of each step ended how."""
    statuses = ("ok", "wrong", "failed", "cut off", "skipped", "not here")
    rows = [["step", *statuses, "s"]]
    for step in steps:
        counts = [str(step.count([status]) or "") for status in statuses]
        rows.append([step.title, *counts, f"{sum(record.seconds for record in step.records):.0f}"])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows)


def problems(steps: Sequence[StepRecord]) -> list[str]:
    """Return a line for each part that is wrong or failed."""
    bad = [(step, record) for step in steps for record in step.records if record.status in BAD]
    return [f"{step.title} {record.part}: {record.status}: {record.reason}" for step, record in bad]


def _section(step: StepRecord) -> str:
    tables = ["\n".join(f"| {' | '.join(row)} |" for row in _table(group)) for group in _groups(step.records)]
    return "\n\n".join([f"## {step.title}", *tables, ""])


def _groups(records: Sequence[PartRecord]) -> list[list[PartRecord]]:
    """Return consecutive records of the same figures together; one without figures belongs to those before it."""
    groups: list[list[PartRecord]] = []
    columns: list[str] = []
    for record in records:
        own = _columns([record])
        if not groups or (own and columns and own != columns):
            groups.append([])
            columns = []
        groups[-1].append(record)
        columns = columns or own
    return groups


def _table(records: Sequence[PartRecord]) -> list[list[str]]:
    columns = _columns(records)
    head = ["part", "result", *columns]
    return [head, ["---"] * len(head), *(_row(record, columns) for record in records)]


def _columns(records: Sequence[PartRecord]) -> list[str]:
    """Return the figures that are plain values, in the order in which they first appear."""
    return list(dict.fromkeys(name for record in records for name, value in record.figures.items() if _is_plain(value)))


def _row(record: PartRecord, columns: Sequence[str]) -> list[str]:
    result = record.status if not record.reason else f"{record.status}: {record.reason}"
    return [_cell(record.part), _cell(result), *(_figure(record.figures, column) for column in columns)]


def _figure(figures: Mapping[str, Any], name: str) -> str:
    value = figures.get(name)
    return _cell(shown(value)) if _is_plain(value) else ""


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
