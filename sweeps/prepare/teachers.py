"""sweeps.prepare.teachers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sweeps.artifacts.references import data_of
from sweeps.designs import components_of
from sweeps.recipe.schema import BadRecipe
from sweeps.space.space import TOGGLE
from sweeps.study.study import Study
from sweeps.workload import Workload


def named(study: Study, workload: Workload) -> set[str]:
    """The trials of other studies that the baseline, the searched values and the components name."""
    found: set[str] = set()
    schema = workload.schema
    if not workload.has("references"):
        return found
    for edit in ({}, *_values(study), *_components(study, workload)):
        with suppress(BadRecipe):  # a value that goes with others only: the combinations have been checked
            recipe = schema.validate(schema.merge(study.settings(schema), edit))
            found |= set(workload.references(recipe).values())
    return found


def taught_by_the_same(study: Study, workload: Workload, runs: Path, fingerprint: str | None) -> list[str]:
    """The trials that `study` names and that were trained on the data of this `fingerprint`, in order.

    Where their split was another one they have seen images that runs of `study` validate on.
    """
    if fingerprint is None:
        return []
    return sorted(each for each in named(study, workload) if data_of(runs, each) == fingerprint)


def _values(study: Study) -> Iterator[dict[str, Any]]:
    for key, item in study.parameters.items():
        conditions = {parent: values[0] for parent, values in item.when.items() if not parent.startswith(TOGGLE)}
        yield from ({**conditions, key: value} for value in item.values or ())


def _components(study: Study, workload: Workload) -> Iterator[Mapping[str, Any]]:
    components = study.ablation.components if study.ablation is not None else None
    yield from components_of(components or (), workload.toggles()).values()
