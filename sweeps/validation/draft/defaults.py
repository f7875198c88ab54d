"""The defaults of a new study file, as far as they come from its workload."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.recipe.schema import BadRecipe
from sweeps.validation.case import EPOCHS
from sweeps.workload import Workload

DATA, MODEL = "data.name", "model.name"
"""The settings of a recipe that have the names of its data set and of its model."""
NAMED = (DATA, MODEL, EPOCHS)
LEARNING_RATES = ("optimizer.lr", "lr", "learning_rate")
COMPONENTS = 3  # of the ablation, where none are chosen


def settings_named(workload: Workload, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data set, the model and the epochs of a baseline, by dotted key.

    Args:
        workload: The workload. Settings that its recipe lacks, or has no default for, are left out.
        chosen: Values by dotted key, which go before the defaults; None is no value.
    """
    schema = workload.schema
    given = {key: value for key, value in chosen.items() if value is not None}
    defaults = {key: default_of(workload, key, {}) for key in NAMED if key in schema.keys}
    return {key: value for key, value in {**defaults, **given}.items() if isinstance(value, int) or value}


def default_of(workload: Workload, key: str, settings: Mapping[str, Any]) -> Any:
    """Return the value of a setting in the recipe of nested settings; None where there is no such value."""
    try:
        return workload.schema.get(workload.schema.validate(settings), key)
    except (BadRecipe, KeyError):  # a recipe may have settings without a default
        return None


def valid_names(workload: Workload, key: str) -> list[str]:
    """Return the names that a setting takes, such as those of the models; empty where it takes any text."""
    return list(dict.fromkeys(_literals(workload.schema.keys.get(key))))


def learning_rate(workload: Workload, settings: Mapping[str, Any]) -> str | None:
    """Return "KEY=log:A..B", a tenth to ten times the baseline's learning rate; None where the recipe has none."""
    for key in LEARNING_RATES:
        rate = default_of(workload, key, settings) if key in workload.schema.keys else None
        if isinstance(rate, float) and rate > 0:
            return f"{key}=log:{rate / 10:.3g}..{rate * 10:.3g}"
    return None


def effective_toggles(workload: Workload, settings: Mapping[str, Any]) -> list[str]:
    """Return the toggles that change the recipe of nested settings, in the workload's order."""
    before = _dumped(workload, settings, {})
    after = {name: _dumped(workload, settings, edit) for name, edit in workload.toggles().items()}
    return [name for name, recipe in after.items() if before is not None and recipe not in (None, before)]


def _dumped(workload: Workload, settings: Mapping[str, Any], edit: Mapping[str, Any]) -> dict[str, Any] | None:
    schema = workload.schema
    try:
        return schema.dump(schema.validate(schema.merge(settings, edit)))
    except BadRecipe:
        return None


def _literals(annotation: Any) -> Iterator[str]:
    inner = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        yield from (value for value in inner if isinstance(value, str))
        return
    for part in inner:
        yield from _literals(part)
