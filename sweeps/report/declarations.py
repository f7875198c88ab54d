"""Tabulate what each stage was to do before its first run, and what was changed afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.evidence.declaration import Amendment, Declaration, declared_stages
from sweeps.evidence.declaration.sentences import NOT_DECLARED, change_text, seen_text
from sweeps.formatting import count, in_local_time, setting
from sweeps.report.tables.frames import flat, frame_of
from sweeps.report.tables.table import Table
from sweeps.storage.results import Results

COLUMNS = ["stage", "at", "what", "after", "figures seen", "sha256"]


def declaration_tables(results: Results) -> list[Table]:
    """Return the table of the declarations and their changes; none where no stage has declared anything."""
    declarations = [declaration for _, declaration in declared_stages(results) if declaration is not None]
    rows = [row for declaration in declarations for row in _rows(declaration)]
    note = (
        "Each stage writes down what it is to do before its first run. A later change is listed with what had been "
        "seen by then. Each hash covers its row and the one before."
    )
    frame = frame_of(rows, COLUMNS)
    table = Table("declarations", "Declared", frame, {"at": in_local_time}, note=note, unshown=["sha256"])
    return [table] if rows else []


def declared_provenance(results: Results) -> Mapping[str, Any]:
    """Return the declaration of each stage that has begun: when, its hash and its content."""
    return {f"declared {stage}": _provenance(declaration) for stage, declaration in declared_stages(results)}


def _provenance(declaration: Declaration | None) -> str | Mapping[str, str]:
    if declaration is None:
        return NOT_DECLARED
    late = f" ({NOT_DECLARED})" if declaration.runs_before else ""
    return {"at": f"{declaration.at}{late}", "sha256": declaration.sha256, "content": _text(declaration.content)}


def _rows(declaration: Declaration) -> Iterator[tuple[Any, ...]]:
    before = declaration.runs_before
    after = f"{count(before, 'run')}: {NOT_DECLARED}" if before else "no run"
    yield declaration.stage, declaration.at, _text(declaration.content), after, None, declaration.sha256
    for amendment in declaration.amendments:
        yield from (_row(declaration.stage, change_text(change), amendment) for change in amendment.changes)


def _row(stage: str, what: str, amendment: Amendment) -> tuple[Any, ...]:
    seen = amendment.seen
    verdicts = "; ".join(f"{name}: {words}" for name, words in seen.verdicts.items())
    return stage, amendment.at, what, seen_text(seen) if seen.runs else "no run", verdicts or None, amendment.sha256


def _text(content: Mapping[str, Any]) -> str:
    return "; ".join(f"{key}: {setting(value)}" for key, value in flat(content))
