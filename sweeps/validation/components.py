"""Check the components of an ablation against the recipe, and whether its design can be made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from sweeps.designs import components_of, require_affordable
from sweeps.designs.components import conflict
from sweeps.io.errors import unknown
from sweeps.io.paths import KeyPath, Violation
from sweeps.recipe.errors import ELSEWHERE, UNKNOWN_KEY
from sweeps.recipe.keys import children, nested_in, unknown_setting, unknown_settings
from sweeps.study.sections import Ablation
from sweeps.validation.case import SHORTHAND, Case

Parts = Mapping[KeyPath, str | Mapping[str, Any]]
"""The toggles and settings that together remove one component, by their paths under `ablation.components`."""


def check_components(case: Case) -> Iterator[Violation]:
    """Yield what is wrong with the components of the ablation, and a design that they do not allow."""
    ablation = case.study.ablation
    if ablation is None:
        return
    if ablation.over_budget == "shrink" and not case.workload.has("scale"):
        yield ("ablation", "over_budget"), f"workload {case.workload.name} cannot scale widths: it has no 'scale'"
    if ablation.components is None:
        return
    path: KeyPath = ("ablation", "components")
    violations = [
        ((*path, *inner), rule)
        for parts in _components(ablation.components)
        for inner, rule in _wrong_component(case, parts)
    ]
    yield from violations
    if not violations:
        try:
            _require_design(ablation, components_of(ablation.components, case.toggles))
        except ValueError as error:
            yield path, str(error)


def _require_design(ablation: Ablation, components: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ValueError where components cannot be removed together, or a factorial of them has too many runs."""
    if ablation.design in ("factorial", "add_one_in"):
        for (first, edit), (second, other) in combinations(components.items(), 2):
            if contradiction := conflict(edit, other):
                raise ValueError(f"{ablation.design}: {first} and {second} cannot both be removed: {contradiction}")
    if ablation.design == "factorial":
        require_affordable(len(components), ablation.min_seeds)


def _components(components: Any) -> Iterator[Parts]:
    """The parts of each component."""
    if not isinstance(components, dict):
        for index, name in enumerate(components):
            yield {(index,): name}
        return
    for name, removal in components.items():
        if isinstance(removal, str | Mapping):
            yield {(name,): removal}
        else:
            yield {(name, index): part for index, part in enumerate(removal)}


def _wrong_component(case: Case, parts: Parts) -> Iterator[Violation]:
    edit: dict[str, Any] = {}
    for path, part in parts.items():
        if isinstance(part, str):
            if part not in case.toggles:
                yield path, unknown("toggle", part, case.toggles)
            edit |= case.toggles.get(part, {})
            continue
        yield from (((*path, *inner), rule) for inner, rule in _unknown_settings(case, part))
        edit |= part
    # What the baseline breaks already is reported there, once, and not for every component again.
    refusals_before = case.refusals({})
    places = {key: (*path, key) for path, part in parts.items() if not isinstance(part, str) for key in part}
    for refused, rule in case.refusals(edit):
        key = next((key for key in places if nested_in(refused, key)), None)
        if key is not None and (refused, rule) not in refusals_before and not _reported_elsewhere(case, refused, rule):
            yield places[key], f"{refused} {rule}" if refused != key else rule


def _unknown_settings(case: Case, part: Mapping[str, Any]) -> Iterator[Violation]:
    for key, value in part.items():
        if key not in case.keys:
            yield (key,), unknown_setting(key, case.keys)
        elif key in case.workload.schema.shorthands:
            yield (key,), SHORTHAND
        elif isinstance(value, Mapping) and children(key, case.keys):
            yield from (((key, *path), rule) for path, rule in unknown_settings(value, case.keys, f"{key}."))


def _reported_elsewhere(case: Case, key: str, rule: str) -> bool:
    """Whether a refusal is not the component's mistake.

    Unknown keys are reported by `_unknown_settings`. A setting that only another type of its section has may be valid
    with the type that the search chooses; the arm is not applicable if it is not.
    """
    if rule == UNKNOWN_KEY:
        return True
    tags = [tag for tag in case.workload.schema.tags if nested_in(key, tag.rpartition(".")[0])]
    return rule.startswith(ELSEWHERE) and any(nested_in(tag, other) for tag in tags for other in case.study.parameters)
