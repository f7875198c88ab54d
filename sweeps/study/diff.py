"""What differs between two versions of a study, and what of it may differ once trials exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAY_GROW = frozenset(
    {"question", "run_cap", "budget", "resources", "confirm", "ablation", "final", "evaluate", "trial_timeout"}
)


@dataclass(frozen=True)
class Change:
    """A setting of the study file that differs; None stands for not given.

    `may_grow`: the recorded trials keep their meaning. It is False for what they depend on (the baseline, the space,
    the metric, seeds) and for a component of the ablation that was measured with other settings.
    """

    key: str
    old: Any
    new: Any
    may_grow: bool


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """The differences between two studies as plain data, in the order of their keys."""
    return [
        Change(".".join(path), before, after, may_grow=_may_grow(path, before, after))
        for path, before, after in _walk(old, new, ())
    ]


def _walk(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _walk(old.get(key), new.get(key), (*path, key))
    elif repr(old) != repr(new):  # 1 and 1.0, or 1 and true, are different settings
        yield path, old, new


def _may_grow(path: tuple[str, ...], old: Any, new: Any) -> bool:
    if path[:2] == ("ablation", "components") and len(path) > 2:
        return old is None or (new is None and len(path) == 3)
    return path[0] in MAY_GROW
