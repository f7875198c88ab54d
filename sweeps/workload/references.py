"""The models of other studies that recipes go on from: teachers, initial weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeps.artifacts.references import Saved, find
from sweeps.io.errors import Unavailable
from sweeps.workload.workload import Workload


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
