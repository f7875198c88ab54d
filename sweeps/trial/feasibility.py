"""The result of checking a configuration before it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Feasibility:
    """Whether a configuration may be trained.

    Attributes:
        settings: The resolved recipe.
        cost: The workload's counts, such as `parameters` and `macs`.
        reason: Why the configuration may not be trained; empty if it may.
        violations: How far each exceeded limit is exceeded, by the quantity that it limits; `recipe` is 1 for a
            recipe that cannot be built.
    """

    settings: Mapping[str, Any]
    cost: Mapping[str, int]
    reason: str = ""
    violations: Mapping[str, float] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether the configuration may be trained."""
        return not self.reason
