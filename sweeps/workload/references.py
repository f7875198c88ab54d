"""The models of other studies that recipes refer to, such as teachers and initial weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeps.artifacts.references import Saved, find
from sweeps.io.errors import Unavailable
from sweeps.workload.workload import Workload


class References:
    """Finds the models that the recipes of a study refer to. Each reference is looked up once.

    Args:
        workload: The study's workload, which knows the settings that hold references.
        runs: The folder of all studies.
    """

    def __init__(self, workload: Workload, runs: Path) -> None:
        self._workload = workload
        self._runs = runs
        self._models: dict[str, Saved] = {}

    def saved(self, settings: Mapping[str, Any]) -> dict[str, tuple[str, Saved]]:
        """Return the models that a recipe refers to.

        Args:
            settings: The nested settings of the recipe.

        Returns:
            Dotted key of the setting -> (reference, model).

        Raises:
            Unavailable: A model is missing; the message names the setting.
        """
        if not self._workload.has("references"):
            return {}
        references = self._workload.references(self._workload.schema.validate(settings))
        return {key: (reference, self._find(key, reference)) for key, reference in references.items()}

    def digests(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """Return the SHA-256 of each model that a recipe refers to, by dotted key. Raises as `saved`."""
        return {key: saved.digest for key, (_, saved) in self.saved(settings).items()}

    def missing(self, settings: Mapping[str, Any]) -> str:
        """Return why a model that a recipe refers to cannot be used; "" if all are there."""
        try:
            self.saved(settings)
        except Unavailable as error:
            return str(error)
        return ""

    def provenance(self, settings: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """Return the origin of each model that a recipe refers to, for the report. Raises as `saved`.

        Returns:
            Dotted key of the setting -> the `reference`, the trained trial as `study` ("study/stage/number"), and the
            `digest` of the model.
        """
        return {
            key: {"reference": reference, "study": saved.source, "digest": saved.digest}
            for key, (reference, saved) in self.saved(settings).items()
        }

    def _find(self, key: str, reference: str) -> Saved:
        if reference not in self._models:
            try:
                self._models[reference] = find(self._runs, reference)
            except Unavailable as error:
                raise Unavailable(f"{key}: {error}") from None
        return self._models[reference]
