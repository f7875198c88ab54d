"""Find the trials of other studies whose models a study uses, as teachers or as initial weights."""

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


def referenced_trials(study: Study, workload: Workload) -> set[str]:
    """Return the references, such as "r7:3", of the baseline, the searched values and the components of a study."""
    references: set[str] = set()
    schema = workload.schema
    if not workload.has("references"):
        return references
    for edit in ({}, *_searched_values(study), *_components(study, workload)):
        # A value that is valid only together with others is skipped: the study's combinations were checked before.
        with suppress(BadRecipe):
            recipe = schema.validate(schema.merge(study.settings(schema), edit))
            references |= set(workload.references(recipe).values())
    return references


def trained_on_same_data(study: Study, workload: Workload, runs: Path, fingerprint: str | None) -> list[str]:
    """Return the references of a study to trials that were trained on the study's own data, sorted.

    With another split these trials have seen images that the study validates on, which makes its figures optimistic.

    Args:
        study: The study.
        workload: Its workload.
        runs: The runs folder.
        fingerprint: The fingerprint of the study's data; None if the workload gives none.
    """
    if fingerprint is None:
        return []
    references = sorted(referenced_trials(study, workload))
    return [reference for reference in references if data_of(runs, reference) == fingerprint]


def _searched_values(study: Study) -> Iterator[dict[str, Any]]:
    """Each value of each searched setting, with a value of the setting on which it depends."""
    for key, item in study.parameters.items():
        conditions = {parent: values[0] for parent, values in item.when.items() if not parent.startswith(TOGGLE)}
        yield from ({**conditions, key: value} for value in item.values or ())


def _components(study: Study, workload: Workload) -> Iterator[Mapping[str, Any]]:
    components = study.ablation.components if study.ablation is not None else None
    yield from components_of(components or (), workload.toggles()).values()
