"""The components of an ablation: the settings that remove each, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

from sweeps.io.errors import unknown
from sweeps.io.paths import shown
from sweeps.recipe.keys import nested_in
from sweeps.trial.arm import BASELINE

Edit: TypeAlias = Mapping[str, Any]
"""Settings by dotted key."""
Spec: TypeAlias = Sequence[str] | Mapping[str, Edit | str | Sequence[Edit | str]]
"""`ablation.components` of a study file."""

NONE = "none"
RESERVED = {BASELINE: "the recipe with all components", NONE: "the recipe without any"}


def components_of(spec: Spec, toggles: Mapping[str, Edit]) -> dict[str, dict[str, Any]]:
    """Return the settings that remove each component.

    Args:
        spec: A list of toggles, or a mapping from names to settings, to a toggle, or to a list of both.
        toggles: The toggles of the workload.

    Returns:
        Name of the component -> settings by dotted key.

    Raises:
        ValueError: A toggle is unknown, a name is reserved for an arm, or the settings of one component contradict each
            other.

    Example:
        >>> components_of({"norm": ["batch_norm", {"optimizer.lr": 0.05}]}, {"batch_norm": {"model.norm": "none"}})
        {'norm': {'model.norm': 'none', 'optimizer.lr': 0.05}}
    """
    removals = spec if isinstance(spec, Mapping) else {name: name for name in spec}
    return {name: _merged(name, [*_parts(name, removal, toggles)]) for name, removal in removals.items()}


def _parts(name: str, removal: Edit | str | Sequence[Edit | str], toggles: Mapping[str, Edit]) -> Iterator[Edit]:
    if name in RESERVED:
        raise ValueError(f"component {name!r}: that is the name of {RESERVED[name]}; give it another one")
    for part in [removal] if isinstance(removal, str | Mapping) else removal:
        if isinstance(part, str) and part not in toggles:
            raise ValueError(f"component {name!r}: {unknown('toggle', part, toggles)}")
        yield toggles[part] if isinstance(part, str) else part


def _merged(name: str, parts: Sequence[Edit]) -> dict[str, Any]:
    for first, second in combinations(parts, 2):
        if contradiction := conflict(first, second):
            raise ValueError(f"component {name!r} contradicts itself: {contradiction}")
    return {key: value for part in parts for key, value in part.items()}


def conflict(first: Edit, second: Edit) -> str:
    """Return the settings on which two edits disagree; "" when both can be applied.

    They also disagree where a setting of one lies inside a setting of the other, since the order would matter.

    Example:
        >>> conflict({"model.norm": "none"}, {"model.norm": "group"})
        "model.norm = 'none' and model.norm = 'group'"
    """
    for key, value in first.items():
        for other, other_value in second.items():
            if nested_in(key, other) and (key != other or value != other_value):
                return f"{key} = {shown(value)} and {other} = {shown(other_value)}"
    return ""
