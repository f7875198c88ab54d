"""A study against its workload: does the recipe have these settings, take these values, and all their combinations?"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from typing import Any

from sweeps.designs import components_of, require_affordable
from sweeps.designs.components import conflict
from sweeps.io.errors import unknown
from sweeps.io.paths import KeyPath, Violation, dotted, settled
from sweeps.recipe.errors import ELSEWHERE, UNKNOWN_KEY
from sweeps.recipe.keys import nested_in, unknown_setting, unknown_settings
from sweeps.recipe.schema import BadRecipe
from sweeps.study.document import TOP_LEVEL, Document
from sweeps.study.explain import as_written
from sweeps.study.problems import Mistake, StudyError
from sweeps.study.sections import Seeds
from sweeps.study.study import Study, parse, standing
from sweeps.validation.combinations import refused
from sweeps.validation.values import wrong_values
from sweeps.workload import BadWorkload, Workload, load

EPOCHS = "epochs"
SHORTHAND = "stands for other settings, where a baseline starts: name the settings themselves here"


def check(study: Study, workload: Workload, document: Document | None = None) -> None:
    """Hold `study` against the recipe and the capabilities of `workload`. Raises StudyError with all the mistakes.

    `document` is the file that the study was read from: with it, each mistake names its line. Combinations of settings
    are tried (all of a small space, a sample of a large one) once every setting stands by itself.
    """
    _check(study, workload, document, together=True)


def accept(document: Document, workload: Workload | None = None) -> tuple[Study, Workload]:
    """The study in `document` and its workload (by its name unless given), if grammar and workload agree to it.

    Raises StudyError with the mistakes of both kinds in one report; BadWorkload.
    """
    try:
        study, mistakes = parse(document), []
    except StudyError as error:
        study, mistakes = standing(document), error.mistakes
        if workload is None and not hasattr(study, "workload"):
            raise
    loaded = workload if workload is not None else _load(study.workload, document, mistakes)
    try:
        _check(study, loaded, document, together=not mistakes)
    except StudyError as error:
        raise StudyError([*mistakes, *error.mistakes]) from None
    if mistakes:
        raise StudyError(mistakes)
    return study, loaded


def _load(name: str, document: Document, mistakes: Sequence[Mistake]) -> Workload:
    try:
        return load(name)
    except BadWorkload as error:
        if not mistakes:
            raise
        raise StudyError([*mistakes, document.mistake(("workload",), str(error))]) from None


def _check(study: Study, workload: Workload, document: Document | None, together: bool) -> None:
    case = _Case(study, workload)
    found = [
        *_baseline(case),
        *_parameters(case),
        *_toggles(case),
        *_components(case),
        *_capabilities(case),
        *_evaluated(case),
        *_early_termination(case),
    ]
    if together and not found:
        found = [*_combinations(case)]
    if found:
        raise StudyError(_placed(path, rule, document) for path, rule in found)


@dataclass(frozen=True)
class _Case:
    study: Study
    workload: Workload

    @cached_property
    def keys(self) -> Mapping[str, Any]:
        return self.workload.schema.keys

    @cached_property
    def toggles(self) -> dict[str, dict[str, Any]]:
        return self.workload.toggles()

    @cached_property
    def recipe(self) -> Any:
        """The recipe of `settings`; None when it is refused."""
        try:
            return self.workload.schema.validate(self.study.settings(self.workload.schema))
        except BadRecipe:
            return None

    def wrong(self, overrides: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What the recipe says against the baseline with `overrides`, as (dotted key, rule)."""
        schema = self.workload.schema
        try:
            schema.validate(schema.merge(self.study.baseline, overrides))
        except BadRecipe as error:
            return [(key, re.sub(r"^input should be", "must be", rule)) for key, rule in error.mistakes]
        return []


def _baseline(case: _Case) -> Iterator[Violation]:
    missing = [*unknown_settings(case.study.baseline, case.keys)]
    yield from ((("baseline", *path), rule) for path, rule in missing)
    for key, rule in case.wrong({}):
        path = settled(
            [int(part) if part.isdecimal() else part for part in key.split(".") if part], case.study.baseline
        )
        if rule == "field required":
            rule = "is required by the recipe, for which there is no default"
        if path not in [known for known, _ in missing]:
            yield ("baseline", *path), rule


def _parameters(case: _Case) -> Iterator[Violation]:
    for key, parameter in case.study.parameters.items():
        path: KeyPath = ("parameters", key)
        if key not in case.keys:
            yield path, unknown_setting(key, case.keys)
        elif key in case.workload.schema.shorthands:
            yield path, SHORTHAND
        else:
            found = wrong_values(key, parameter, case.keys, partial(_wrong_where, case, _conditions(case, key)))
            yield from (((*path, *inner), rule) for inner, rule in found)


def _conditions(case: _Case, key: str) -> dict[str, Any]:
    """Values of other settings under which the parameter `key` exists; toggles keep their part."""
    found: dict[str, Any] = {}
    for parent, values in case.study.parameters[key].when.items():
        if parent in case.study.parameters and values:
            found |= {**_conditions(case, parent), parent: values[0]}
    return found


def _wrong_where(case: _Case, conditions: Mapping[str, Any], overrides: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the recipe says against overrides under `conditions`; which type has a setting is for the combinations."""
    found = case.wrong({**conditions, **overrides})
    return [(key, rule) for key, rule in found if not rule.startswith(ELSEWHERE)]


def _toggles(case: _Case) -> Iterator[Violation]:
    searched = list(case.study.parameters)
    for index, name in enumerate(case.study.toggles):
        if name not in case.toggles:
            yield ("toggles", index), unknown("toggle", name, case.toggles)
            continue
        edit = case.toggles[name]
        touched = [key for key in searched if any(nested_in(key, other) for other in edit)]
        if touched:
            yield ("toggles", index), f"{name} sets {', '.join(edit)}, but {', '.join(touched)} is searched too"
        elif _changes_nothing(case, edit):
            yield ("toggles", index), f"{name} changes nothing: the baseline already has {_pairs(edit)}"


def _changes_nothing(case: _Case, edit: Mapping[str, Any]) -> bool:
    schema = case.workload.schema
    if case.recipe is None:
        return False
    try:
        without = schema.validate(schema.merge(case.study.settings(schema), edit))
    except BadRecipe:
        return False
    return schema.dump(without) == schema.dump(case.recipe)


def _components(case: _Case) -> Iterator[Violation]:
    rule = case.study.ablation
    components = rule.components if rule is not None else None
    if rule is None or components is None:
        return
    path: KeyPath = ("ablation", "components")
    wrong = [((*path, *inner), rule) for parts in _removals(components) for inner, rule in _wrong_removal(case, parts)]
    yield from wrong
    if not wrong:
        try:
            named = components_of(components, case.toggles)
            if rule.design in ("factorial", "add_one_in"):
                _together(rule.design, named)
            if rule.design == "factorial":
                require_affordable(len(named), rule.seeds.min if isinstance(rule.seeds, Seeds) else rule.seeds)
        except ValueError as error:
            yield path, str(error)


def _together(design: str, components: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ValueError where components that a design removes together contradict each other."""
    for (first, edit), (second, other) in combinations(components.items(), 2):
        if found := conflict(edit, other):
            raise ValueError(f"{design}: {first} and {second} cannot both be removed: {found}")


def _removals(components: Any) -> Iterator[dict[KeyPath, str | Mapping[str, Any]]]:
    """The toggles and settings that remove each component, by their places."""
    if not isinstance(components, dict):
        for index, name in enumerate(components):
            yield {(index,): name}
        return
    for name, given in components.items():
        if isinstance(given, str | Mapping):
            yield {(name,): given}
        else:
            yield {(name, index): part for index, part in enumerate(given)}


def _wrong_removal(case: _Case, parts: Mapping[KeyPath, str | Mapping[str, Any]]) -> Iterator[Violation]:
    """What is wrong with the toggles and the settings that together remove a part."""
    edit: dict[str, Any] = {}
    for path, part in parts.items():
        if isinstance(part, str):
            if part not in case.toggles:
                yield path, unknown("toggle", part, case.toggles)
            edit |= case.toggles.get(part, {})
            continue
        yield from (((*path, *inner), rule) for inner, rule in _unknown_in(case, part))
        edit |= part
    before = case.wrong({})
    places = {key: (*path, key) for path, part in parts.items() if not isinstance(part, str) for key in part}
    for wrong, rule in case.wrong(edit):
        key = next((key for key in places if nested_in(wrong, key)), None)
        if key is not None and (wrong, rule) not in before and not _told_elsewhere(case, wrong, rule):
            yield places[key], f"{wrong} {rule}" if wrong != key else rule


def _unknown_in(case: _Case, part: Mapping[str, Any]) -> Iterator[Violation]:
    for key, value in part.items():
        if key not in case.keys:
            yield (key,), unknown_setting(key, case.keys)
        elif key in case.workload.schema.shorthands:
            yield (key,), SHORTHAND
        elif isinstance(value, Mapping):
            yield from (((key, *path), rule) for path, rule in unknown_settings(value, case.keys, f"{key}."))


def _told_elsewhere(case: _Case, key: str, rule: str) -> bool:
    """Whether a refusal is none of a component's: an unknown key, or one of a type that the search may yet choose."""
    if rule == UNKNOWN_KEY:
        return True
    types = [tag for tag in case.workload.schema.tags if nested_in(key, tag.rpartition(".")[0])]
    return rule.startswith(ELSEWHERE) and any(nested_in(tag, other) for tag in types for other in case.study.parameters)


def _capabilities(case: _Case) -> Iterator[Violation]:
    study, name = case.study, case.workload.name
    if study.constraints and not case.workload.has("cost"):
        yield ("constraints",), f"workload {name} does not count what a recipe costs: it has no 'cost'"
    shrinks = study.ablation is not None and study.ablation.over_budget == "shrink"
    if shrinks and not case.workload.has("scale"):
        yield ("ablation", "over_budget"), f"workload {name} cannot scale widths: it has no 'scale'"
    if study.final is not None and not case.workload.has("evaluate"):
        yield ("final",), f"workload {name} cannot open a test set: it has no 'evaluate'"
    metric = getattr(study, "metric", None)  # absent where it is faulty itself
    if study.final is not None and metric is not None and metric.name.startswith("train_"):
        yield ("final",), f"{metric.name} is a figure of the training data: no test set has it"


def _evaluated(case: _Case) -> Iterator[Violation]:
    """Every labelled set must be one that the workload knows, under a name of its own."""
    seen = {"test"}
    for index, entry in enumerate(case.study.evaluate if case.recipe is not None else ()):
        path: KeyPath = ("evaluate", index)
        if not case.workload.has("evaluations"):
            yield path, f"workload {case.workload.name} knows no further sets: it has no 'evaluations'"
            return
        try:
            labels = case.workload.evaluations(case.recipe, entry)
        except ValueError as error:
            yield path, str(error)
            continue
        for label in labels:
            if label in seen:
                yield path, f"{label!r} is evaluated already"
            seen.add(label)


def _early_termination(case: _Case) -> Iterator[Violation]:
    rule = case.study.early_terminate
    if rule is None:
        return
    for key in case.study.parameters:
        if key in {dimension.key for dimension in case.study.space.dimensions} and key == EPOCHS:
            yield (
                ("parameters", key),
                (
                    "searched epochs with early_terminate would favour short schedules: "
                    "fix epochs in the baseline, or leave early_terminate out"
                ),
            )
    epochs = _epochs(case)
    last = rule.max_iter if rule.max_iter is not None else epochs
    if last is None and (case.recipe is not None or EPOCHS not in case.keys):
        ladder = "max_iter" in rule.defaults[rule.type]
        yield (
            (("early_terminate", "max_iter"), "is required: the recipe has no setting epochs")
            if ladder
            else (
                ("early_terminate", "type"),
                f"{rule.type} needs a recipe with the setting epochs: take asha, and max_iter",
            )
        )
    if rule.max_iter is not None and epochs is not None and rule.max_iter > epochs:
        yield ("early_terminate", "max_iter"), f"must not be above epochs = {epochs} but got {rule.max_iter}"
    elif last is not None:
        first = "epochs" if rule.type == "one_epoch" else "min_iter"
        if getattr(rule, first) >= last:
            yield ("early_terminate", first), f"must be below the trial's {last} epochs but got {getattr(rule, first)}"


def _epochs(case: _Case) -> int | None:
    if case.recipe is None or EPOCHS not in case.keys:
        return None
    epochs = case.workload.schema.get(case.recipe, EPOCHS)
    return epochs if isinstance(epochs, int) else None


def _combinations(case: _Case) -> Iterator[Violation]:
    for example in refused(case.study.space, case.toggles, case.wrong):
        key = list(example.parameters)[-1] if example.parameters else ""
        path: KeyPath = ("parameters", key) if key in case.study.parameters else ("toggles",)
        yield path if key else ("baseline",), f"{example}"


def _pairs(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in settings.items())


def _placed(path: KeyPath, rule: str, document: Document | None) -> Mistake:
    if document is None:
        return Mistake("", dotted(path), rule)
    written = as_written(path, document.data)
    place = document.place(written)
    if place.startswith("--set ") and path[0] == "baseline" and rule.startswith("unknown setting"):
        near = difflib.get_close_matches(str(path[1]), TOP_LEVEL, n=1)
        rule += f"; or the study's {near[0]!r}?" if near else ""
    return Mistake(place, dotted(written), rule)
