"""Load a study: its file, edited by the options of the command line, and its workload."""

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
    """Options of the command line that change a study file.

    Attributes:
        assignments: "KEY=VALUE" of each --set.
        search: "KEY=A..B", "KEY=log:A..B" or "KEY=[A, B, …]" of each --search.
        toggles: The name of each --toggle.
        budget: The limit of --budget: "5M" parameters, or any constraint.
    """

    assignments: Sequence[str] = ()
    search: Sequence[str] = ()
    toggles: Sequence[str] = ()
    budget: str | None = None


def load_study(path: Path, edits: Edits) -> tuple[Study, Workload]:
    """Read a study file, edit it, and check it against its workload.

    Returns:
        The study and its workload.

    Raises:
        StudyError: With all the mistakes of the file and the options.
        BadWorkload: The workload cannot be loaded.
    """
    document = edit(read(path), edits.assignments)
    return accept(extend(document, edits.search, edits.toggles, edits.budget))
