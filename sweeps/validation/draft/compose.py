"""Compose a new study file: the choices, the defaults beside them, and a baseline that fits its budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.designs.scaling import fitted
from sweeps.io.errors import unknown
from sweeps.io.paths import KeyPath
from sweeps.recipe.schema import BadRecipe, merge
from sweeps.study.document import Document
from sweeps.study.problems import StudyError, failure
from sweeps.study.study import Study
from sweeps.trial.feasibility import Feasibility
from sweeps.validation.authoring import extend
from sweeps.validation.checks import accept
from sweeps.validation.draft.choices import TRIALS, Choices
from sweeps.validation.draft.comments import commented
from sweeps.validation.draft.defaults import (
    COMPONENTS,
    DATA,
    MODEL,
    effective_toggles,
    learning_rate,
    settings_named,
)
from sweeps.validation.draft.stages import stages
from sweeps.workload import Workload

QUESTION = "Which settings are best{}, and which parts matter?"
NOTHING = "nothing to search and nothing to ablate: give --search KEY=A..B or --toggle NAME"


@dataclass(frozen=True)
class Draft:
    """A new study file.

    Attributes:
        text: Its text.
        study: The study, with a baseline that meets the constraints.
        narrowed: How the baseline was made to meet them, in words; "" where it did.
    """

    text: str
    study: Study
    narrowed: str


def compose(choices: Choices, workload: Workload) -> Draft:
    """Return a new, commented study file with every section that the workload allows.

    Args:
        choices: The choices.
        workload: The workload; the study passes its checks, and its baseline fits the budget: widths that do not are
            scaled down.

    Raises:
        StudyError: With all the mistakes, each naming the option that was given, or the default that it came of.
    """
    document = _searching(_skeleton(choices, workload), choices, workload)
    document = _with_ablation(document, choices, workload)
    for name, section in stages(document.data, workload).items():
        document = document.put((name,), section, f"the section {name}")
    study, _ = accept(document, workload)
    document, narrowed = _within_budget(document, study, workload)
    if narrowed:
        study, _ = accept(document, workload)
    return Draft(commented(document.data, narrowed), study, narrowed)


def baseline_of(choices: Choices, workload: Workload) -> dict[str, Any]:
    """Return the baseline of a new study as nested settings: data set, model and epochs."""
    chosen = {DATA: choices.data, MODEL: choices.model, "epochs": choices.epochs}
    for key, value in chosen.items():
        if value is not None and key not in workload.schema.keys:
            option = f"--{key.partition('.')[0]}"
            rule = f"the recipe of {workload.name} has no setting {key}: leave {option} out"
            raise failure(f"{option} {value}", rule)
    return merge({}, settings_named(workload, chosen))


def _skeleton(choices: Choices, workload: Workload) -> Document:
    """The study before it searches or ablates anything, with the options that were given as places."""
    baseline = baseline_of(choices, workload)
    data = baseline.get("data", {}).get("name")
    subject = f" on {data}" if data else ""
    settings = {
        "name": choices.name,
        "question": choices.question or QUESTION.format(subject),
        "workload": workload.name,
        "baseline": baseline,
        "constraints": [],
        "metric": _metric(workload),
        "toggles": [],
        "device": choices.device or "auto",
        "resources": {"cpu": 1},
        "seed": 0,
    }
    places: dict[KeyPath, str] = {
        (): "the new study",
        ("name",): f"the name {choices.name}",
        ("question",): f"--question {choices.question}" if choices.question else "the question",
        ("baseline",): "the baseline",
        **_given({("baseline", "data"): ("--data", choices.data), ("baseline", "model"): ("--model", choices.model)}),
        **_given({("baseline", "epochs"): ("--epochs", choices.epochs), ("device",): ("--device", choices.device)}),
    }
    return Document("the new study", settings, places)


def _given(options: Mapping[KeyPath, tuple[str, Any]]) -> dict[KeyPath, str]:
    """The options that were given, as the places of what they set."""
    return {path: f"{option} {value}" for path, (option, value) in options.items() if value is not None}


def _searching(document: Document, choices: Choices, workload: Workload) -> Document:
    """The study with what it searches, how, and the size of the search."""
    search, default = choices.search, None
    if search is None and not choices.toggles:
        default = learning_rate(workload, document.data["baseline"])
    given = extend(document, search or (), choices.toggles, choices.budget)
    if default is not None:
        section = extend(document, [default], (), None).data["parameters"]
        given = given.put(("parameters",), section, f"the default search {default}")
    if not given.data.get("parameters") and not given.data["toggles"]:
        return given
    given = given.put(("method",), "bayes", "the method")
    if choices.trainings is not None:
        return given.put(("budget",), {"trainings": choices.trainings}, f"--trainings {choices.trainings:g}")
    size = TRIALS if choices.trials is None else choices.trials
    place = f"the default of {TRIALS} trials" if choices.trials is None else f"--trials {size}"
    return given.put(("run_cap",), size, place)


def _with_ablation(document: Document, choices: Choices, workload: Workload) -> Document:
    """The study with the toggles to ablate; `stages` adds the other settings of the ablation."""
    toggles = workload.toggles()
    for name in choices.ablate or ():
        if name not in toggles:
            raise failure(f"--ablate {name}", unknown("toggle", name, toggles))
    names = choices.ablate
    if names is None:
        effective = effective_toggles(workload, document.data["baseline"])
        names = tuple(name for name in effective if name not in document.data["toggles"])[:COMPONENTS]
    if names:
        place = "the ablation" if choices.ablate is None else f"--ablate {' '.join(names)}"
        return document.put(("ablation",), {"components": list(dict.fromkeys(names))}, place)
    if "method" not in document.data:
        _require_recipe(document, workload)
        raise failure("the new study", NOTHING)
    return document


def _require_recipe(document: Document, workload: Workload) -> None:
    """Raise StudyError where the recipe refuses the baseline: its defaults are then unknown."""
    try:
        workload.schema.validate(document.data["baseline"])
    except BadRecipe as error:
        places = [(("baseline", *key.split(".")), rule) for key, rule in error.mistakes]
        raise StudyError(document.mistake(path, rule) for path, rule in places) from None


def _within_budget(document: Document, study: Study, workload: Workload) -> tuple[Document, str]:
    """The study with a baseline that meets its constraints, and how it was made to, in words."""
    try:
        workload.cost(workload.schema.validate(study.settings(workload.schema)))
    except ValueError as error:  # no model can be built from it
        raise failure(document.place(("baseline", "model")), str(error)) from None
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
