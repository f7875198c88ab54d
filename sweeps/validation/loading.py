"""A study as asked for: the file, and the words of the command line that change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeps.study.document import edit, read
from sweeps.study.study import Study
from sweeps.validation.authoring import extend
from sweeps.validation.checks import accept
from sweeps.workload import Workload


@dataclass(frozen=True)
class Edits:
    """Words of the command line that change a study file."""

    assignments: Sequence[str] = ()
    search: Sequence[str] = ()
    toggles: Sequence[str] = ()
    budget: str | None = None


def load_study(path: Path, edits: Edits) -> tuple[Study, Workload]:
    """The study in a file, edited and checked against its workload. Raises StudyError, BadWorkload."""
    document = edit(read(path), edits.assignments)
    return accept(extend(document, edits.search, edits.toggles, edits.budget))
