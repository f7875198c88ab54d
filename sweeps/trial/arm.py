"""What a stage sets side by side: arms, and the designs that list them from a baseline and its components."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

BASELINE = "baseline"


@dataclass(frozen=True)
class Arm:
    """One recipe that is trained over several seeds.

    `settings` is the resolved recipe, `edits` what sets it off from its reference by dotted key, `removed` the
    components that it is without. `reference` names the arm that it is compared with; empty for a reference itself.
    `reason` says why an arm is not applicable (over a constraint, not buildable, changes nothing): it is never trained.
    `note` tells of what was done to it ("widths scaled by 0.84 to fit"). `tuned`: its settings were tuned again.
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
        """The digest of the settings: 16 hexadecimal digits. Runs of one recipe and seed are the same run."""
        return digest(self.settings)


def digest(settings: Mapping[str, Any]) -> str:
    """The name of a resolved recipe."""
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def plain(arm: Arm) -> dict[str, Any]:
    """An arm as plain data for JSON."""
    return {**asdict(arm), "removed": list(arm.removed)}


def from_plain(content: Mapping[str, Any]) -> Arm:
    """The arm that `plain` wrote."""
    return Arm(**{**content, "removed": tuple(content["removed"])})
