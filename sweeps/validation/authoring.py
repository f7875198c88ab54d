"""Study files from the words of a command line.

A search word is `optimizer.lr=log:1e-4..1e-1`, `batch_size=32..256`, `optimizer.momentum=0.8..0.99`,
`model.norm=[batch, none]`, or a mapping as in a study file:
`epochs={distribution: q_uniform, min: 10, max: 50, q: 10}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeps.io.files import write_atomic
from sweeps.io.paths import KeyPath, shown
from sweeps.recipe.schema import BadRecipe
from sweeps.study.document import TOP_LEVEL, Document, value, write
from sweeps.study.parameters import where
from sweeps.study.problems import Mistake, StudyError, failure
from sweeps.study.study import schema
from sweeps.validation.checks import accept
from sweeps.workload import Workload, load

SCHEMA_FILE = "study.schema.json"
"""The JSON Schema beside the study files, which their first line names for editors."""

_RANGE = re.compile(r"(log:)?\s*(\S+?)\s*\.\.\s*(\S+)")
_FORMS = "write KEY=A..B, KEY=log:A..B or KEY=[A, B, …]"

_EXPLAINED = {
    "workload": "what is trained",
    "baseline": "the recipe that everything starts from; what is not named keeps its default",
    "constraints": "checked before anything is trained; also trainable_parameters, macs",
    "method": "bayes, random or grid",
    "metric": "as the workload yields it, once per epoch",
    "run_cap": "trials; those refused by a constraint do not count",
    "parameters": "what is searched: values, or min and max; with when: {other.key: value} under a condition",
    "toggles": "parts that the search may switch off",
    "seed": "what every random number of the study derives from",
}


def compose(
    name: str,
    data: str | None,
    search: Sequence[str],
    toggles: Sequence[str],
    budget: str | None,
    trials: int,
    workload: Workload,
) -> str:
    """A commented study file called `name` that parses and passes the checks of `workload`.

    `data` is the value of the recipe's `data.name`; `search`, `toggles` and `budget` are as for `extend`. Raises
    StudyError with all the mistakes, each naming its option.
    """
    document = extend(_skeleton(name, data, trials, workload), search, toggles, budget)
    accept(document, workload)
    return "\n".join([f"# yaml-language-server: $schema={SCHEMA_FILE}", *_commented(document.data)]) + "\n"


def extend(document: Document, search: Sequence[str], toggles: Sequence[str], budget: str | None) -> Document:
    """`document` with more to search: `search` words, `toggles` by name, and `budget` as a limit of parameters.

    A key that the document searches already is searched as the word says. `budget` is "5M" or any constraint, such as
    "macs <= 250M"; it replaces the document's limit of that quantity. Raises StudyError with all the mistakes.
    """
    mistakes: list[Mistake] = []
    for word in search:
        try:
            document = _searched(document, word)
        except StudyError as error:
            mistakes += error.mistakes
    if mistakes:
        raise StudyError(mistakes)
    document = _switchable(document, toggles)
    return _limited(document, budget) if budget else document


def write_new(
    name: str,
    data: str | None,
    search: Sequence[str],
    toggles: Sequence[str],
    budget: str | None,
    trials: int,
    workload: str,
    out: Path | None = None,
) -> Path:
    """Write a composed study to `out`, or studies/NAME.yaml, with the schema beside it where there is none.

    Returns the study's path. Raises StudyError, also where the file exists; BadWorkload.
    """
    text = compose(name, data, search, toggles, budget, trials, load(workload))
    path = out if out is not None else Path("studies") / f"{name}.yaml"
    if path.exists():
        raise failure(str(path), "exists already: give another name or --out")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text)
    beside = path.with_name(SCHEMA_FILE)
    if not beside.exists():
        write_atomic(beside, schema_text(workload))
    return path


def schema_text(workload: str) -> str:
    """The JSON Schema of study files for the workload called `workload`, as a file holds it. Raises BadWorkload."""
    return json.dumps(schema(load(workload).schema), indent=2, ensure_ascii=False) + "\n"


def _searched(document: Document, word: str) -> Document:
    key, equals, text = word.partition("=")
    key, place = key.strip(), f"--search {key.strip()}"
    if not equals or not key:
        raise failure(f"--search {word}", _FORMS)
    return document.put(_path(document.data, key), _spec(text.strip(), place), place)


def _switchable(document: Document, toggles: Sequence[str]) -> Document:
    known = document.data.get("toggles") or []
    if not isinstance(known, list):  # which parsing will tell
        return document
    added = [toggle for toggle in dict.fromkeys(toggles) if toggle not in known]
    if not added:
        return document
    options: dict[KeyPath, str] = {
        ("toggles", len(known) + index): f"--toggle {toggle}" for index, toggle in enumerate(added)
    }
    longer = document.put(("toggles",), [*known, *added], document.place(("toggles",)))
    return replace(longer, places={**document.places, **longer.places, **options})


def _path(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(map(str, where(data.get("parameters"), key)))


def _spec(text: str, place: str) -> dict[str, Any]:
    """The parameter that the right side of a search word means."""
    if (match := _RANGE.fullmatch(text)) is not None and not text.startswith(("[", "{")):
        log, low, high = match.groups()
        return _range(value(low, place), value(high, place), bool(log), place)
    given = value(text, place)
    if isinstance(given, list):
        return {"values": given}
    if isinstance(given, dict):
        return given
    raise failure(place, f"{shown(given)} is a single value: {_FORMS}; a setting that does not vary goes in with --set")


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


def _limited(document: Document, budget: str) -> Document:
    limit = budget if re.search(r"[<>=]", budget) else f"parameters <= {budget}"
    quantity = re.split(r"[\s<>=]", limit.strip())[0]
    known = document.data.get("constraints") or []
    if not isinstance(known, list):  # which parsing will tell
        return document
    others = [line for line in known if not str(line).strip().startswith(f"{quantity} ")]
    return document.put(("constraints",), [*others, limit], f"--budget {budget}")


def _skeleton(name: str, data: str | None, trials: int, workload: Workload) -> Document:
    """The study before anything is searched, with the options as places."""
    on = f" on {data}" if data else ""
    metric = _metric(workload)
    settings = {
        "name": name,
        "question": f"Which settings are best{on}?",
        "workload": workload.name,
        "baseline": {"data": {"name": data}} if data else {},
        "method": "bayes",
        "metric": metric,
        "run_cap": trials,
        "seed": 0,
    }
    places: dict[KeyPath, str] = {
        ("name",): "the study's name",
        ("baseline",): f"--data {data}",
        ("run_cap",): f"--trials {trials}",
    }
    return Document("--search", settings, {(): "--search", **places})


def _metric(workload: Workload) -> dict[str, str]:
    """What the figures of a model that guesses suggest: one of validation, no loss if there is another."""
    try:
        figures = list(workload.chance(workload.schema.validate({})))
    except BadRecipe:
        figures = []
    figures.sort(key=lambda figure: (not figure.startswith("val"), "loss" in figure))
    name = figures[0] if figures else "val_accuracy"
    return {"name": name, "goal": "minimize" if "loss" in name or "error" in name else "maximize"}


def _commented(data: Mapping[str, Any]) -> Iterator[str]:
    given = {key: data[key] for key in TOP_LEVEL if data.get(key) not in (None, {}, [])}
    for line in write(given).splitlines():
        key = line.partition(":")[0]
        yield f"{line}  # {_EXPLAINED[key]}" if key in _EXPLAINED else line
