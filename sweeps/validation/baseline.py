"""Check the baseline of a study against the recipe, and whether the workload counts the cost that the study needs."""

from __future__ import annotations

from collections.abc import Iterator

from sweeps.io.paths import Violation, dotted, settled
from sweeps.recipe.keys import unknown_settings
from sweeps.validation.case import Case


def check_baseline(case: Case) -> Iterator[Violation]:
    """Yield the settings of the baseline that the recipe does not have, and those with values that it refuses."""
    unknown = [*unknown_settings(case.study.baseline, case.keys)]
    yield from ((("baseline", *path), rule) for path, rule in unknown)
    reported = {dotted(path) for path, _ in unknown}  # pydantic reports unknown settings too, without a suggestion
    for key, rule in case.refusals({}):
        parts = [int(part) if part.isdecimal() else part for part in key.split(".") if part]
        path = settled(parts, case.study.baseline)
        if rule == "field required":
            rule = "is required by the recipe: it has no default"
        if not {key, dotted(path)} & reported:
            yield ("baseline", *path), rule


def check_constraints(case: Case) -> Iterator[Violation]:
    """Yield a violation where the study has constraints but the workload counts no cost."""
    if case.study.constraints and not case.workload.has("cost"):
        yield ("constraints",), f"workload {case.workload.name} does not count the cost of a recipe: it has no 'cost'"


def check_preference(case: Case) -> Iterator[Violation]:
    """Yield a violation where confirm prefers the smaller recipe but the workload counts no cost."""
    confirm = case.study.confirm
    if confirm is not None and confirm.prefer == "smaller" and not case.workload.has("cost"):
        name = case.workload.name
        yield (
            ("confirm", "prefer"),
            f"smaller needs the size of a recipe, but workload {name} has no 'cost'; write accuracy",
        )
