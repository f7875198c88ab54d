"""The differences between two versions of a study, and which of them are allowed once trials exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAY_GROW = frozenset(
    {
        *("question", "run_cap", "budget", "device", "resources", "confirm", "ablation", "final", "evaluate"),
        *("trial_timeout", "checkpoint_every"),
    }
)
"""The sections of a study that may change once trials exist; of the metric, its target may."""


@dataclass(frozen=True)
class Change:
    """A setting that differs between two versions of a study.

    Attributes:
        key: The dotted key.
        old: The earlier value; None where it was not given.
        new: The later value; None where it is not given.
        may_grow: Whether the recorded trials stay valid. False for what they depend on (the baseline, the space, the
            metric, seeds) and for a component of the ablation that was measured with other settings.
    """

    key: str
    old: Any
    new: Any
    may_grow: bool


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return the differences between two studies, given as plain data, in the order of their keys."""
    return [
        Change(".".join(path), before, after, may_grow=_may_grow(path, before, after))
        for path, before, after in _walk(old, new, ())
    ]


def _walk(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _walk(old.get(key), new.get(key), (*path, key))
    elif repr(old) != repr(new):  # by repr, because 1 == 1.0 == True but they are different settings
        yield path, old, new


def _may_grow(path: tuple[str, ...], old: Any, new: Any) -> bool:
    """Whether a change is allowed. A component of an ablation may be added or removed, but not redefined."""
    if path[:2] == ("ablation", "components") and len(path) > 2:
        return old is None or (new is None and len(path) == 3)
    return path[0] in MAY_GROW or path == ("metric", "target")
