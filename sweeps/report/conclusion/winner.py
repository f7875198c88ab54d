"""The winner's recipe: how it differs from the baseline, and whole, as the `baseline` of another study file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.artifacts.recipe_file import read_recipe
from sweeps.evidence.findings import Findings
from sweeps.formatting import setting
from sweeps.io.errors import Unavailable
from sweeps.recipe.keys import value_at
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.table import Table
from sweeps.space.space import TOGGLE
from sweeps.storage.results import Results
from sweeps.study.document import write

NAME = "winner"
DEFAULT = "the default"
CHANGES = ["setting", "baseline", "winner"]


@dataclass(frozen=True)
class Winner:
    """The recipe that a study found best.

    Attributes:
        called: What it is called: "trial 7, the incumbent".
        changes: Every setting in which it differs from the baseline; empty where it is the baseline.
        recipe: Every setting as YAML, for the `baseline` of another study file; empty if the recipe is not on record.
    """

    called: str
    changes: Table
    recipe: str


def winner_of(findings: Findings) -> Winner | None:
    """Return the winner's recipe: the incumbent's once confirm has chosen it, else that of the best trial.

    None without a search that has a completed trial.
    """
    confirmation, results = findings.confirmation, findings.results
    if confirmation is not None and confirmation.complete and confirmation.chosen is not None:
        arm = confirmation.chosen.arm
        return _winner(f"{arm.name}, the incumbent", results, arm.edits, arm.settings)
    if not findings.ranked or not results.study.space.dimensions:
        return None
    best = findings.ranked[0]
    name = f"trial {best.number}, the best single run"
    return _winner(name, results, best.parameters, _recipe(results, best.number))


def _winner(called: str, results: Results, edits: Mapping[str, Any], settings: Mapping[str, Any]) -> Winner:
    rows = list(_changes(results.study.baseline, edits))
    title = "Every setting that differs from the baseline"
    table = Table(NAME, title, frame_of(rows, CHANGES), dict.fromkeys(CHANGES, str), {"winner": called.split(",")[0]})
    return Winner(called, table, write({"baseline": dict(settings)}) if settings else "")


def _changes(baseline: Mapping[str, Any], edits: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    unset = object()
    for key, value in edits.items():
        if key.startswith(TOGGLE):
            if not value:
                yield key.removeprefix(TOGGLE), "with", "without"
            continue
        before = value_at(baseline, key, unset)
        if before is unset or _plain(before) != _plain(value):
            yield key, DEFAULT if before is unset else _exact(before), _exact(value)


def _exact(value: Any) -> str:
    """A setting with all its digits, so that the recipe can be repeated from the table."""
    if value == "":
        return '""'
    return repr(value) if isinstance(value, float) else setting(value)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _recipe(results: Results, number: int) -> Mapping[str, Any]:
    try:
        return read_recipe(results.trial_folder(number))
    except Unavailable:  # a damaged file leaves the block out; the settings above it are from the database
        return {}
