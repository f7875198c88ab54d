"""Extend study files from the options of the command line.

A parameter to search (--search) is written `optimizer.lr=log:1e-4..1e-1`, `batch_size=32..256`,
`optimizer.momentum=0.8..0.99`, `model.norm=[batch, none]`, or as in a study file:
`epochs={distribution: q_uniform, min: 10, max: 50, q: 10}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.io.paths import KeyPath, shown
from sweeps.study.document import Document, value
from sweeps.study.parameters import written_path
from sweeps.study.problems import Mistake, StudyError, failure
from sweeps.study.study import schema
from sweeps.workload import load

SCHEMA_FILE = "study.schema.json"
"""The file of the JSON Schema beside the study files; their first line names it for editors."""

# Not three dots: 1e-4...1e-1 would end at .1e-1, which is 0.01.
_RANGE = re.compile(r"(log:)?\s*(\S+?)\s*\.\.(?!\.)\s*(\S+)")
_FORMS = "write KEY=A..B, KEY=log:A..B or KEY=[A, B, …]"


def extend(document: Document, search: Sequence[str], toggles: Sequence[str], budget: str | None) -> Document:
    """Return a copy of a study file with more to search.

    Args:
        document: The study file.
        search: "KEY=A..B", "KEY=log:A..B", "KEY=[A, B, …]" or "KEY={…}" each. Replaces parameters that the file has.
        toggles: Names of toggles to search; those that the file has are not added again.
        budget: A number of parameters such as "5M", or any constraint such as "macs <= 250M". It replaces the file's
            limit on that quantity.

    Raises:
        StudyError: With all the mistakes of `search`, each naming its option. `accept` finds those of the others.
    """
    mistakes: list[Mistake] = []
    for assignment in search:
        try:
            document = _with_parameter(document, assignment)
        except StudyError as error:
            mistakes += error.mistakes
    if mistakes:
        raise StudyError(mistakes)
    document = _with_toggles(document, toggles)
    return _with_budget(document, budget) if budget else document


def schema_text(workload: str) -> str:
    """Return the text of the JSON Schema of study files for a workload.

    Args:
        workload: The name of the workload.

    Raises:
        BadWorkload: It cannot be loaded.
    """
    return json.dumps(schema(load(workload).schema), indent=2, ensure_ascii=False) + "\n"


def _with_parameter(document: Document, assignment: str) -> Document:
    key, equals, text = assignment.partition("=")
    key, place = key.strip(), f"--search {key.strip()}"
    if not equals or not key:
        raise failure(f"--search {assignment}", _FORMS)
    return document.put(_path(document.data, key), _spec(text.strip(), place), place)


def _with_toggles(document: Document, toggles: Sequence[str]) -> Document:
    present = document.data.get("toggles") or []
    if not isinstance(present, list):  # parsing will report it
        return document
    added = [toggle for toggle in dict.fromkeys(toggles) if toggle not in present]
    if not added:
        return document
    options: dict[KeyPath, str] = {
        ("toggles", len(present) + index): f"--toggle {toggle}" for index, toggle in enumerate(added)
    }
    longer = document.put(("toggles",), [*present, *added], document.place(("toggles",)))
    # `put` forgets the lines inside what it replaces; the toggles that the file has keep theirs.
    return replace(longer, places={**document.places, **longer.places, **options})


def _path(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(map(str, written_path(data.get("parameters"), key)))


def _spec(text: str, place: str) -> dict[str, Any]:
    """The parameter that the right side of a --search means."""
    if (match := _RANGE.fullmatch(text)) is not None and not text.startswith(("[", "{")):
        log, low, high = match.groups()
        return _range(value(low, place), value(high, place), bool(log), place)
    data = value(text, place)
    if isinstance(data, list):
        return {"values": data}
    if isinstance(data, dict):
        return data
    raise failure(place, f"{shown(data)} is a single value: {_FORMS}; a setting that does not vary goes in with --set")


def _range(low: Any, high: Any, log: bool, place: str) -> dict[str, Any]:
    for bound in (low, high):
        if isinstance(bound, bool) or not isinstance(bound, int | float):
            raise failure(place, f"{shown(bound)} is not a number: {_FORMS}")
    bounds = {"min": low, "max": high}
    if not log:
        return bounds
    if isinstance(low, int) and isinstance(high, int):
        return {"distribution": "q_log_uniform_values", "q": 1, **bounds}
    return {"distribution": "log_uniform_values", **bounds}


def _with_budget(document: Document, budget: str) -> Document:
    limit = budget if re.search(r"[<>=]", budget) else f"parameters <= {budget}"
    constraints = document.data.get("constraints") or []
    if not isinstance(constraints, list):  # parsing will report it
        return document
    others = [line for line in constraints if _quantity(line) != _quantity(limit)]
    return document.put(("constraints",), [*others, limit], f"--budget {budget}")


def _quantity(limit: Any) -> str:
    """What a constraint limits; it may be written with or without blanks."""
    return re.split(r"[\s<>=]", str(limit).strip())[0]
