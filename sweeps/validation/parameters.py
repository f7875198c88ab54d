"""Check the searched parameters and toggles of a study against the recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from sweeps.io.errors import unknown
from sweeps.io.paths import KeyPath, Violation
from sweeps.recipe.errors import ELSEWHERE
from sweeps.recipe.keys import nested_in, unknown_setting
from sweeps.recipe.schema import BadRecipe
from sweeps.validation.case import SHORTHAND, Case
from sweeps.validation.values import wrong_values


def check_parameters(case: Case) -> Iterator[Violation]:
    """Yield the parameters that the recipe does not have, and the values and bounds that it refuses."""
    for key, parameter in case.study.parameters.items():
        path: KeyPath = ("parameters", key)
        if key not in case.keys:
            yield path, unknown_setting(key, case.keys)
        elif key in case.workload.schema.shorthands:
            yield path, SHORTHAND
        else:
            refusals = partial(_refusals_under, case, _conditions(case, key))
            yield from (((*path, *inner), rule) for inner, rule in wrong_values(key, parameter, case.keys, refusals))


def check_toggles(case: Case) -> Iterator[Violation]:
    """Yield the toggles that the workload does not have, that change nothing, or that set a searched parameter."""
    searched = list(case.study.parameters)
    for index, name in enumerate(case.study.toggles):
        if name not in case.toggles:
            yield ("toggles", index), unknown("toggle", name, case.toggles)
            continue
        edit = case.toggles[name]
        overlap = [key for key in searched if any(nested_in(key, other) for other in edit)]
        if overlap:
            yield ("toggles", index), f"{name} sets {', '.join(edit)}, but {', '.join(overlap)} is searched too"
        elif _changes_nothing(case, edit):
            settings = ", ".join(f"{key} = {value}" for key, value in edit.items())
            yield ("toggles", index), f"{name} changes nothing: the baseline already has {settings}"


def _conditions(case: Case, key: str) -> dict[str, Any]:
    """Values of other settings under which the parameter `key` exists. Toggles stay on."""
    conditions: dict[str, Any] = {}
    for parent, values in case.study.parameters[key].when.items():
        if parent in case.study.parameters and values:
            conditions |= {**_conditions(case, parent), parent: values[0]}
    return conditions


def _refusals_under(case: Case, conditions: Mapping[str, Any], overrides: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The refusals of `overrides` under `conditions`.

    Without those of a setting that only another type of its section has: the search may choose that type, so the check
    of combinations decides.
    """
    refusals = case.refusals({**conditions, **overrides})
    return [(key, rule) for key, rule in refusals if not rule.startswith(ELSEWHERE)]


def _changes_nothing(case: Case, edit: Mapping[str, Any]) -> bool:
    schema = case.workload.schema
    if case.recipe is None:
        return False
    try:
        without = schema.validate(schema.merge(case.study.settings(schema), edit))
    except BadRecipe:
        return False
    return schema.dump(without) == schema.dump(case.recipe)
