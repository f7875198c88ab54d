"""The rules between the sections of a study. They need no workload.

Each check yields the rules that are broken, as (path, rule) pairs.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeps.artifacts.layout import SEARCH
from sweeps.io.errors import unknown
from sweeps.io.paths import Violation, shown
from sweeps.space.space import TOGGLE, Categorical, Dimension, Space
from sweeps.study.parameters import Parameter
from sweeps.study.sections import STAGE_NAMES

MAX_GRID = 1_000_000

Fields = Mapping[str, Any]
"""The sections of a study by name, without those that are not valid by themselves."""


def dimensions(parameters: Mapping[str, Parameter], toggles: Sequence[str]) -> list[Dimension]:
    """Return the dimensions that are searched, in the order of the file, toggles last."""
    searched = [parameter.dimension(key) for key, parameter in parameters.items()]
    switches = [Categorical(key=f"{TOGGLE}{name}", values=(True, False)) for name in toggles]
    return [dimension for dimension in searched if dimension is not None] + switches


def constants(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the parameters that never vary, by dotted key."""
    return {key: item.value for key, item in parameters.items() if item.dimension(key) is None}


def broken_rules(fields: Fields) -> list[Violation]:
    """Return every broken rule between sections.

    Args:
        fields: The sections by name. A rule about a section that is absent is not checked.
    """
    violations = [
        *_repeated_constraints(fields),
        *_repeated_toggles(fields),
        *_evaluated_without_final(fields),
        *_one_epoch(fields),
        *_trainings(fields),
        *_warm_start(fields),
        *_device_without_gpu(fields),
    ]
    if "parameters" not in fields or "toggles" not in fields:
        return violations
    parameters, toggles = fields["parameters"], fields["toggles"]
    searched = dimensions(parameters, toggles)
    wrong_conditions = [*_conditions(parameters, searched)]
    violations += [*wrong_conditions, *_overlaps(parameters)]
    violations += [*_needs_search(fields, bool(searched)), *_names(fields, searched)]
    if not wrong_conditions and searched:  # a space cannot be counted over wrong conditions
        violations += _run_cap(fields, Space.of(searched, constants(parameters)))
    return violations


def _repeated_constraints(fields: Fields) -> Iterator[Violation]:
    quantities = [constraint.quantity for constraint in fields.get("constraints", ())]
    for index, quantity in enumerate(quantities):
        if quantity in quantities[:index]:
            yield ("constraints", index), f"{quantity} already has a limit; keep the lower one"


def _repeated_toggles(fields: Fields) -> Iterator[Violation]:
    names = fields.get("toggles", ())
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("toggles", index), f"{name!r} is given twice"


def _evaluated_without_final(fields: Fields) -> Iterator[Violation]:
    if fields.get("evaluate") and "final" in fields and fields["final"] is None:
        yield ("evaluate",), "further sets are evaluated in the stage final: give final: {seeds: …}"


def _one_epoch(fields: Fields) -> Iterator[Violation]:
    """What does not go with one_epoch: a sampler that learns from trials, and more trials than it completes."""
    rule, confirm, run_cap = (fields.get(name) for name in ("early_terminate", "confirm", "run_cap"))
    if rule is None or rule.type != "one_epoch":
        return
    if (method := fields.get("method")) in ("bayes", "tpe"):
        yield (
            ("method",),
            f"{method} learns from trials that have ended, but with early_terminate: {{type: one_epoch}} none ends "
            "before all have been sampled: write method: random or grid",
        )
    if run_cap and rule.top > run_cap:
        yield ("early_terminate", "top"), f"must not be above run_cap = {run_cap} but got {rule.top}"
    if confirm is not None and confirm.top > rule.top:
        yield (
            ("confirm", "top"),
            f"must not be above early_terminate.top = {rule.top}, the trials that are trained to the end, "
            f"but got {confirm.top}",
        )


def _warm_start(fields: Fields) -> Iterator[Violation]:
    """What does not go with earlier studies: a method that does not use them, and a study that names itself."""
    names, method = fields.get("warm_start", ()), fields.get("method")
    if names and method not in ("bayes", None):
        yield ("warm_start",), f"informs method bayes, but method is {method}: leave one of them out"
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("warm_start", index), f"{name!r} is given twice"
        elif name == fields.get("name"):
            yield ("warm_start", index), "is this study: name earlier ones"


def _device_without_gpu(fields: Fields) -> Iterator[Violation]:
    device, resources = fields.get("device"), fields.get("resources")
    if device in ("cuda", "mps") and resources is not None and resources.gpu == 0:
        yield ("resources", "gpu"), f"is 0, which is the CPU, but device is {device}: leave one of them out"


def _conditions(parameters: Mapping[str, Parameter], searched: Sequence[Dimension]) -> Iterator[Violation]:
    dimension_of = {dimension.key: dimension for dimension in searched}
    for key, parameter in parameters.items():
        for parent, values in parameter.when.items():
            path = ("parameters", key, "when", parent)
            yield from ((path, rule) for rule in _condition(key, parent, values, dimension_of, parameters))
    for circle in _circles(searched):
        yield ("parameters", circle[0], "when"), f"conditions go in a circle: {' → '.join((*circle, circle[0]))}"


def _condition(
    key: str,
    parent: str,
    values: Sequence[Any],
    dimension_of: Mapping[str, Dimension],
    parameters: Mapping[str, Parameter],
) -> Iterator[str]:
    """The rules that the condition of `key` on `parent` breaks."""
    if parent == key:
        yield "a setting cannot be its own condition"
    elif parent in parameters and parent not in dimension_of:
        yield f"{parent} does not vary (value: {parameters[parent].value}): leave the condition out"
    elif parent not in dimension_of:
        near = difflib.get_close_matches(parent, [name for name in dimension_of if name != key], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        yield f"{parent} is not searched: conditions name other keys of parameters, or {TOGGLE}NAME{hint}"
    elif dimension_of[parent].size is None:
        yield f"{parent} is continuous: a condition needs a parent with values to name"
    elif not values:
        yield f"must name at least one value of {parent}"
    else:
        options = _options(dimension_of[parent])
        for value in values:
            if not dimension_of[parent].contains(value):
                yield f"{shown(value)} is not a value of {parent}: {options}"


def _options(parent: Dimension) -> str:
    values = list(parent.grid()) if (parent.size or 0) <= 12 else []
    if values:
        return ", ".join(map(str, values))
    return "see its min and max" if not isinstance(parent, Categorical) else f"one of {parent.size}"


def _circles(searched: Sequence[Dimension]) -> Iterator[list[str]]:
    """Circles of conditions that share no setting, each once."""
    parents = {item.key: [parent for parent in item.when if parent != item.key] for item in searched}
    while parents:
        free = [key for key, above in parents.items() if not any(parent in parents for parent in above)]
        if free:
            parents = {key: above for key, above in parents.items() if key not in free}
            continue
        trail = [next(iter(parents))]  # every remaining setting has a remaining parent, so the trail must meet itself
        while (parent := next(key for key in parents[trail[-1]] if key in parents)) not in trail:
            trail.append(parent)
        circle = trail[trail.index(parent) :]
        yield circle
        parents = {key: above for key, above in parents.items() if key not in circle}


def _overlaps(parameters: Mapping[str, Parameter]) -> Iterator[Violation]:
    for section, parameter in parameters.items():
        for key in parameters:
            if key.startswith(f"{section}.") and _sets(parameter, key.removeprefix(f"{section}.").partition(".")[0]):
                yield ("parameters", key), f"is set by the values of {section} too: give it in one of the two"


def _sets(parameter: Parameter, name: str) -> bool:
    """Whether a value of a parameter that names a section sets `name` in it. A value that is no mapping sets all."""
    values = parameter.values or (parameter.value,)
    return any(name in value if isinstance(value, Mapping) else True for value in values)


def _needs_search(fields: Fields, searched: bool) -> Iterator[Violation]:
    ablation = fields.get("ablation")
    if searched:
        return
    if fields.get("run_cap"):
        yield ("run_cap",), "there are no parameters or toggles to search: leave run_cap out"
    if (budget := fields.get("budget")) is not None and budget.trainings is not None:
        yield ("budget", "trainings"), "there are no parameters or toggles to search: leave it out"
    for section in ("early_terminate", "confirm", "warm_start"):
        if fields.get(section):
            yield (section,), "needs a search: give parameters or toggles"
    if ablation is not None and ablation.baseline == "best":
        yield ("ablation", "baseline"), "best needs a search: give parameters or toggles, or write baseline: given"
    if "ablation" in fields and ablation is None and "final" in fields and fields["final"] is None:
        yield (
            ("parameters",),
            ("nothing to do: give parameters or toggles to search, or an ablation with baseline: given"),
        )


def _names(fields: Fields, searched: Sequence[Dimension]) -> Iterator[Violation]:
    """The names and numbers of one section that must fit another."""
    ablation, budget, confirm = (fields.get(section) for section in ("ablation", "budget", "confirm"))
    if ablation is not None and ablation.retune is not None:
        keys = [dimension.key for dimension in searched if not dimension.key.startswith(TOGGLE)]
        for index, key in enumerate(ablation.retune.parameters):
            if key not in keys:
                yield ("ablation", "retune", "parameters", index), unknown("searched parameter", key, keys)
    if budget is not None and budget.shares is not None and {"confirm", "ablation", "final"} <= set(fields):
        present = [stage for stage in STAGE_NAMES if (searched if stage == SEARCH else fields[stage] is not None)]
        for stage in budget.shares:
            if stage not in present:
                yield ("budget", "shares", stage), unknown("stage of this study", stage, present)
    final = fields.get("final")
    if final is not None and final.arms == "all" and "ablation" in fields and ablation is None:
        yield ("final", "arms"), "all means the arms of an ablation, but the study has none: write arms: best"
    if confirm is not None and 0 < fields.get("run_cap", 0) < confirm.top:
        yield ("confirm", "top"), f"must not be above run_cap = {fields['run_cap']} but got {confirm.top}"


def _trainings(fields: Fields) -> Iterator[Violation]:
    """The trials that train to their end in any case, against the trainings that the search has."""
    budget, rule, confirm = (fields.get(name) for name in ("budget", "early_terminate", "confirm"))
    if budget is None or budget.trainings is None:
        return
    needed = {"confirm.top": confirm.top} if confirm is not None else {}
    if rule is not None and rule.top is not None:
        needed["early_terminate.top"] = rule.top
    for key, trials in needed.items():
        if trials > budget.trainings:
            yield (
                ("budget", "trainings"),
                f"must be at least {key} = {trials}, the trials that are trained to the end, but got "
                f"{budget.trainings:g}: raise it, or lower {key}",
            )


def _run_cap(fields: Fields, space: Space) -> Iterator[Violation]:
    method, run_cap = fields.get("method"), fields.get("run_cap")
    if method == "grid" and space.size is None:
        for dimension in space.dimensions:
            if dimension.size is None:
                yield ("parameters", dimension.key), "is continuous, which a grid cannot list: give values, or q"
        return
    if method == "grid" and (space.size or 0) > MAX_GRID:
        yield (
            ("method",),
            f"the grid has more than {MAX_GRID:,} configurations: give fewer values, or write method: random",
        )
        return
    if run_cap is None or method is None:
        return
    if not run_cap and method != "grid" and "budget" in fields and fields["budget"].trainings is None:
        yield (
            ("run_cap",),
            f"is required with method: {method}: the number of trials to run, 1 or more; or give the search a size in "
            f"full trainings of the baseline, budget: {{trainings: 20}}",
        )
    elif method == "grid" and 0 < run_cap < (space.size or 0):
        yield (
            ("run_cap",),
            f"the grid has {space.size:,} configurations but run_cap is {run_cap:,}: "
            "leave run_cap out, or write method: random",
        )
