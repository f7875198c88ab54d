"""An arm: one recipe that a stage compares with others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# Names of arms that more than one stage has.
BASELINE = "baseline"
INCUMBENT = "incumbent"  # the best recipe so far

RETUNED = " (re-tuned)"
"""The suffix of the name of an arm whose settings were tuned again."""


@dataclass(frozen=True)
class Arm:
    """One recipe that is trained with several seeds.

    Attributes:
        settings: The resolved recipe.
        edits: How the recipe differs from that of the reference arm, by dotted key.
        removed: The components that the recipe lacks.
        reference: The name of the arm that it is compared with; empty for a reference itself.
        cost: The workload's counts, such as `parameters` and `macs`.
        reason: Why the arm is not applicable, so that it is never trained: it exceeds a constraint, cannot be built,
            or changes nothing. Empty for an applicable arm.
        note: How the recipe was adjusted: "widths scaled by 0.84 to fit".
        tuned: Whether the settings were tuned again for this arm.
    """

    name: str
    settings: Mapping[str, Any]
    edits: Mapping[str, Any] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    reference: str = ""
    cost: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    note: str = ""
    tuned: bool = False

    @property
    def applicable(self) -> bool:
        """Whether the arm is trained."""
        return not self.reason

    @property
    def recipe(self) -> str:
        """The digest of the settings, 16 hexadecimal digits. Runs with equal recipe and seed are the same run."""
        return digest(self.settings)


def digest(settings: Mapping[str, Any]) -> str:
    """Return the digest of a resolved recipe: 16 hexadecimal digits, whatever the order of the keys."""
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def plain(arm: Arm) -> dict[str, Any]:
    """Return an arm as plain data for JSON."""
    return {**asdict(arm), "removed": list(arm.removed)}


def from_plain(content: Mapping[str, Any]) -> Arm:
    """Return the arm from which `plain` made `content`."""
    return Arm(**{**content, "removed": tuple(content["removed"])})
