"""A study and its workload, as the checks see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sweeps.recipe.schema import BadRecipe
from sweeps.study.study import Study
from sweeps.workload import Workload

EPOCHS = "epochs"
"""The recipe setting that has the epochs of a trial, where the recipe has it."""
SHORTHAND = "stands for other settings and is allowed in the baseline only: name those settings"
"""The rule against a shorthand of the recipe outside the baseline."""

Refusals = Callable[[Mapping[str, Any]], list[tuple[str, str]]]
"""Overrides of the baseline by dotted key -> the recipe's objections, as (dotted key, rule) pairs."""


@dataclass(frozen=True)
class Case:
    """A study to check against a workload.

    Attributes:
        study: The study. Of a faulty one only the valid part: sections without a default may be absent.
        workload: The workload that it names.
    """

    study: Study
    workload: Workload

    @cached_property
    def keys(self) -> Mapping[str, Any]:
        """The dotted keys of the recipe, with their annotations."""
        return self.workload.schema.keys

    @cached_property
    def toggles(self) -> dict[str, dict[str, Any]]:
        """The toggles of the workload: name -> settings by dotted key."""
        return self.workload.toggles()

    @cached_property
    def recipe(self) -> Any:
        """The recipe of the baseline; None when the workload refuses it."""
        try:
            return self.workload.schema.validate(self.study.settings(self.workload.schema))
        except BadRecipe:
            return None

    @cached_property
    def epochs(self) -> int | None:
        """The epochs of a trial of the baseline; None when the recipe does not say."""
        if self.recipe is None or EPOCHS not in self.keys:
            return None
        epochs = self.workload.schema.get(self.recipe, EPOCHS)
        return epochs if isinstance(epochs, int) else None

    def refusals(self, overrides: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the recipe's objections to the baseline with `overrides`.

        Args:
            overrides: Settings by dotted key.

        Returns:
            (dotted key, rule) pairs; empty where the recipe is valid.
        """
        schema = self.workload.schema
        try:
            schema.validate(schema.merge(self.study.baseline, overrides))
        except BadRecipe as error:
            # Pydantic says "input should be", this grammar "must be"; a report has both.
            return [(key, re.sub(r"^input should be", "must be", rule)) for key, rule in error.mistakes]
        return []
