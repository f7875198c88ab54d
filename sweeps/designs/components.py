"""The components of an ablation: each by name, with the settings that remove it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

from sweeps.io.errors import unknown
from sweeps.io.paths import shown
from sweeps.recipe.keys import nested_in
from sweeps.trial.arm import BASELINE

Edit: TypeAlias = Mapping[str, Any]
Spec: TypeAlias = Sequence[str] | Mapping[str, Edit | str | Sequence[Edit | str]]

NONE = "none"
RESERVED = {BASELINE: "the recipe with all components", NONE: "the recipe without any"}


def components_of(spec: Spec, toggles: Mapping[str, Edit]) -> dict[str, dict[str, Any]]:
    """The components that `spec` names: name -> the settings, by dotted key, that remove it.

    `spec` is a list of toggles, or a mapping of names to settings, to a toggle, or to a list of both. Raises ValueError
    for an unknown toggle, a name that an arm has already, and settings of one component that contradict each other.
    """
    named = spec if isinstance(spec, Mapping) else {name: name for name in spec}
    return {name: _merged(name, [*_parts(name, given, toggles)]) for name, given in named.items()}


def _parts(name: str, given: Edit | str | Sequence[Edit | str], toggles: Mapping[str, Edit]) -> Iterator[Edit]:
    if name in RESERVED:
        raise ValueError(f"component {name!r}: that is the name of {RESERVED[name]}; give it another one")
    for part in [given] if isinstance(given, str | Mapping) else given:
        if isinstance(part, str) and part not in toggles:
            raise ValueError(f"component {name!r}: {unknown('toggle', part, toggles)}")
        yield toggles[part] if isinstance(part, str) else part


def _merged(name: str, parts: Sequence[Edit]) -> dict[str, Any]:
    for first, second in combinations(parts, 2):
        if found := conflict(first, second):
            raise ValueError(f"component {name!r} contradicts itself: {found}")
    return {key: value for part in parts for key, value in part.items()}


def conflict(first: Edit, second: Edit) -> str:
    """What two edits disagree on: "model.norm = none and model.norm = group"; empty when they can be put together."""
    for key, value in first.items():
        for other, another in second.items():
            if nested_in(key, other) and (key != other or value != another):
                return f"{key} = {shown(value)} and {other} = {shown(another)}"
    return ""
