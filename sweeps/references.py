"""The models of other studies that recipes go on from: teachers, initial weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sweeps.designs import components_of
from sweeps.errors import Unavailable
from sweeps.recipe import BadRecipe
from sweeps.saved import Saved, data_of, find
from sweeps.space import TOGGLE
from sweeps.study import Study
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


class References:
    """What the recipes of a study refer to in the folder `runs`; what has been found once is remembered."""

    def __init__(self, workload: Workload, runs: Path) -> None:
        self._workload = workload
        self._runs = runs
        self._known: dict[str, Saved] = {}

    def saved(self, settings: Mapping[str, Any]) -> dict[str, tuple[str, Saved]]:
        """The models that a recipe of these settings names: dotted key -> (reference, model).

        Raises Unavailable, naming the key, where one is not there.
        """
        if not self._workload.has("references"):
            return {}
        named = self._workload.references(self._workload.schema.validate(settings))
        return {key: (reference, self._find(key, reference)) for key, reference in named.items()}

    def digests(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """What the models are that a recipe names, by dotted key: the digests of their contents. Raises Unavailable."""
        return {key: saved.digest for key, (_, saved) in self.saved(settings).items()}

    def missing(self, settings: Mapping[str, Any]) -> str:
        """Why a recipe cannot be trained here for a model that it names; empty where all are there."""
        try:
            self.saved(settings)
        except Unavailable as error:
            return str(error)
        return ""

    def provenance(self, settings: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """For the report: dotted key -> the reference, the trial that was trained, its digest. Raises Unavailable."""
        return {
            key: {"reference": reference, "study": saved.source, "digest": saved.digest}
            for key, (reference, saved) in self.saved(settings).items()
        }

    def _find(self, key: str, reference: str) -> Saved:
        if reference not in self._known:
            try:
                self._known[reference] = find(self._runs, reference)
            except Unavailable as error:
                raise Unavailable(f"{key}: {error}") from None
        return self._known[reference]
