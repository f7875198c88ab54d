"""Drift: what a study was begun with and what is here now, where they differ.

A study whose code, data, libraries, device or file have changed would compare runs that are not alike. Growth that
leaves the recorded runs their meaning is none (`sweeps.study.diff`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sweeps.io.errors import UserError
from sweeps.study.diff import Change

# What figures are computed with; the engine's other libraries change none.
LIBRARIES = ("python", "torch", "torchvision", "numpy", "scikit-learn", "optuna")
# What no accepted change may touch: the trials in the storage would no longer be what they say.
FIXED = frozenset({"name", "workload", "metric", "parameters", "toggles", "seed"})
SHOWN = 60


class Drifted(UserError):
    """What the study was begun with is not what is here now."""


@dataclass(frozen=True)
class Drift:
    """One thing that differs: its kind ("code", "data", "library", "device", "model", "study file") and its name."""

    kind: str
    name: str
    before: Any
    after: Any

    @property
    def acceptable(self) -> bool:
        """Whether the study may go on with it, if that is asked for."""
        return self.kind != "study file" or self.name.partition(".")[0] not in FIXED

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {_shown(self.before)} -> {_shown(self.after)}"

    def plain(self) -> dict[str, Any]:
        """As plain data, for the provenance."""
        return asdict(self)


def of_file(changes: Iterable[Change]) -> list[Drift]:
    """The changes of a study file that are no growth."""
    return [Drift("study file", each.key, each.old, each.new) for each in changes if not each.may_grow]


def of_environment(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Drift]:
    """What differs between the provenance of a study's last run and that of the one about to begin.

    What either does not know is no difference.
    """
    pairs = [
        ("data", now.get("data", {}).get("data") or "fingerprint", ("data", "fingerprint")),
        ("code", now.get("workload", {}).get("name", ""), ("workload", "code_sha256")),
        ("device", "kind", ("device",)),
        *(("library", name, ("versions", name)) for name in LIBRARIES),
        *(("model", key, ("references", key, "digest")) for key in now.get("references", {})),
    ]
    found = ((kind, name, _at(before, path), _at(now, path)) for kind, name, path in pairs)
    return [Drift(kind, str(name), old, new) for kind, name, old, new in found if old and new and old != new]


def require_accepted(found: Sequence[Drift], name: str, accepted: bool) -> None:
    """Raise Drifted where something differs that may not, or that nobody has accepted."""
    never = [drift for drift in found if not drift.acceptable]
    if not found or (accepted and not never):
        return
    lines = "\n".join(f"  {drift}" for drift in (never if accepted else found))
    others = "undo that, give the study another name, or keep the old folder aside and start anew with --fresh"
    if never:
        raise Drifted(f"{name} was begun otherwise, and its trials would lose their meaning:\n{lines}\n{others}")
    raise Drifted(
        f"{name} was begun otherwise: runs before and after would be compared as if they were alike:\n{lines}\n"
        f"{others}; or go on with --accept-drift, which every later run and the report will carry"
    )


def _at(environment: Mapping[str, Any], path: Iterable[str]) -> Any:
    found: Any = environment
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _shown(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64 and all(letter in "0123456789abcdef" for letter in value):
        return value[:12]  # a SHA-256
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
