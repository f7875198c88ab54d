"""Write and extend study files from the options of the command line.

A parameter to search (--search) is written `optimizer.lr=log:1e-4..1e-1`, `batch_size=32..256`,
`optimizer.momentum=0.8..0.99`, `model.norm=[batch, none]`, or as in a study file:
`epochs={distribution: q_uniform, min: 10, max: 50, q: 10}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeps.designs.scaling import fitted
from sweeps.io.errors import unknown
from sweeps.io.files import write_atomic
from sweeps.io.paths import KeyPath, shown
from sweeps.recipe.schema import BadRecipe
from sweeps.study.document import TOP_LEVEL, Document, value, write
from sweeps.study.parameters import written_path
from sweeps.study.problems import Mistake, StudyError, failure
from sweeps.study.study import Study, schema
from sweeps.trial.feasibility import Feasibility
from sweeps.validation.checks import accept
from sweeps.workload import Workload, load

SCHEMA_FILE = "study.schema.json"
"""The file of the JSON Schema beside the study files; their first line names it for editors."""

DATA = "data.name"
"""The setting of a recipe that has the name of its data set."""

# Not three dots: 1e-4...1e-1 would end at .1e-1, which is 0.01.
_RANGE = re.compile(r"(log:)?\s*(\S+?)\s*\.\.(?!\.)\s*(\S+)")
_FORMS = "write KEY=A..B, KEY=log:A..B or KEY=[A, B, …]"

_EXPLAINED = {
    "workload": "what to train",
    "baseline": "the recipe that every trial starts from; other settings keep their defaults",
    "constraints": "checked before training; also trainable_parameters, macs",
    "method": "bayes, tpe, random or grid",
    "metric": "as the workload yields it, once per epoch",
    "run_cap": "trials; those refused by a constraint do not count",
    "parameters": "the settings to search: values, or min and max; with when: {other.key: value} under a condition",
    "toggles": "parts that the search may switch off",
    "seed": "every random number of the study is derived from it",
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
    """Return the text of a new, commented study file.

    Args:
        name: The name of the study.
        data: The value of the recipe's setting `data.name`; None: the recipe's default, where it has one.
        search: The parameters to search, as in `extend`.
        toggles: The toggles to search, as in `extend`.
        budget: A limit, as in `extend`.
        trials: The number of trials of the search.
        workload: The workload; the study passes its checks, and its baseline fits `budget`: widths that do not are
            scaled down.

    Raises:
        StudyError: With all the mistakes, each naming its option.
    """
    document = extend(_skeleton(name, _data(data, workload), trials, workload), search, toggles, budget)
    document, note = _within_budget(document, *accept(document, workload))
    return "\n".join([f"# yaml-language-server: $schema={SCHEMA_FILE}", *_commented(document.data, note)]) + "\n"


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
    """Write a new study file, and beside it the JSON Schema where there is none.

    Args:
        name: The name of the study.
        data: As in `compose`, like the next four.
        search: The parameters to search.
        toggles: The toggles to search.
        budget: A limit.
        trials: The number of trials of the search.
        workload: The name of the workload.
        out: The path of the file; default: studies/NAME.yaml.

    Returns:
        The path of the file.

    Raises:
        StudyError: The options have mistakes, or the file exists.
        BadWorkload: The workload cannot be loaded.
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


def _skeleton(name: str, data: str | None, trials: int, workload: Workload) -> Document:
    """The study before it searches anything, with the options as places."""
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
        ("baseline",): f"--data {data}" if data else "the baseline",
        ("run_cap",): f"--trials {trials}",
    }
    return Document("--search", settings, {(): "--search", **places})


def _data(data: str | None, workload: Workload) -> str | None:
    """The data set of the baseline; None for a workload whose recipe names none."""
    schema = workload.schema
    if data is not None:
        if DATA not in schema.keys:
            rule = f"the recipe of {workload.name} has no setting {DATA}: leave --data out"
            raise failure(f"--data {data}", rule)
        return data
    try:
        default = schema.get(schema.validate({}), DATA) if DATA in schema.keys else None
    except BadRecipe:  # the recipe has settings without a default
        return None
    return default if isinstance(default, str) and default else None


def _within_budget(document: Document, study: Study, workload: Workload) -> tuple[Document, str]:
    """The study with a baseline that fits its constraints, and how it was made to fit, in words."""
    if not study.constraints:
        return document, ""
    place = document.place(("constraints", 0))

    def weigh(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> Feasibility:
        merged = workload.schema.merge(settings, overrides)
        cost = workload.cost(workload.schema.validate(merged))
        for constraint in study.constraints:
            if constraint.quantity not in cost:
                raise failure(place, unknown("quantity of the workload", constraint.quantity, cost))
        over = {limit.quantity: excess for limit in study.constraints if (excess := limit.violation(cost)) > 0}
        reason = "; ".join(f"{cost[quantity]:,} {quantity}" for quantity in over)
        return Feasibility(merged, cost, reason, over)

    fit = fitted(workload, weigh, weigh(study.settings(workload.schema), {}))
    if not fit.feasibility.accepted:
        raise failure(place, f"the baseline has {fit.feasibility.reason}: give a higher limit, or another baseline")
    for key, setting in fit.edits.items():
        document = document.put(("baseline", *key.split(".")), setting, place)
    return document, fit.note


def _metric(workload: Workload) -> dict[str, str]:
    """A metric among those for which the workload knows the chance level: of validation, and no loss, if possible."""
    try:
        names = list(workload.chance(workload.schema.validate({})))
    except BadRecipe:  # the recipe has settings without a default
        names = []
    names.sort(key=lambda name: (not name.startswith("val"), "loss" in name))
    name = names[0] if names else "val_accuracy"
    return {"name": name, "goal": "minimize" if "loss" in name or "error" in name else "maximize"}


def _commented(data: Mapping[str, Any], note: str) -> Iterator[str]:
    """The lines of the file, each section with a comment; `note` is about the baseline."""
    present = {key: data[key] for key in TOP_LEVEL if data.get(key) not in (None, {}, [])}
    for line in write(present).splitlines():
        key = line.partition(":")[0]
        comment = "; ".join(filter(None, [_EXPLAINED.get(key), note if key == "baseline" else ""]))
        yield f"{line}  # {comment}" if comment else line
