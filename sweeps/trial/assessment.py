"""sweeps.trial.assessment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Feasibility:
    """A configuration weighed: its resolved `settings`, its `cost`, and why it may not be trained (empty: it may)."""

    settings: Mapping[str, Any]
    cost: Mapping[str, int]
    reason: str = ""
    violations: Mapping[str, float] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether it may be trained."""
        return not self.reason
