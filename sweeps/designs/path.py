"""The steps of a path from the baseline to the incumbent: the searched values that differ, one change per step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.space.space import TOGGLE, Dimension, Space

FIRST = 3
"""The seeds of each candidate before the race along a path may drop it."""


def path_steps(baseline: Mapping[str, Any], incumbent: Mapping[str, Any], space: Space) -> dict[str, dict[str, Any]]:
    """Return the steps from the searched values of the baseline to those of the incumbent.

    A dimension with different values is a step. One with a condition moves together with those of its parents that
    differ too, because it has no meaning without them. All steps together make the incumbent.

    Args:
        baseline: The baseline's searched values, by dotted key.
        incumbent: The incumbent's.
        space: The space of the study.

    Returns:
        Name of the step -> the incumbent's values by dotted key, in the order of the space. `Space.overrides` resolves
        the keys of toggles.

    Example:
        >>> path_steps({"lr": 0.1, "toggle.relu": True}, {"lr": 0.2, "toggle.relu": False}, space)
        {'lr': {'lr': 0.2}, 'no relu': {'toggle.relu': False}}
    """
    groups: list[list[Dimension]] = []
    for dimension in space.dimensions:  # parents come before their children
        if _same(baseline, incumbent, dimension.key):
            continue
        # The groups with a parent of this dimension become one, since the dimension ties them together.
        above = [group for group in groups if any(parent.key in dimension.when for parent in group)]
        groups = [group for group in groups if group not in above]
        groups.append([*(parent for group in above for parent in group), dimension])
    order = [dimension.key for dimension in space.dimensions]
    groups.sort(key=lambda group: order.index(group[0].key))
    # A dimension that the incumbent does not have disappears with the step of its parent.
    steps = [{item.key: incumbent[item.key] for item in group if item.key in incumbent} for group in groups]
    return {_name(step): step for step in steps if step}


def _same(baseline: Mapping[str, Any], incumbent: Mapping[str, Any], key: str) -> bool:
    return (key in baseline) == (key in incumbent) and baseline.get(key) == incumbent.get(key)


def _name(step: Mapping[str, Any]) -> str:
    return " + ".join(_change(key, value) for key, value in step.items())


def _change(key: str, value: Any) -> str:
    if not key.startswith(TOGGLE):
        return key
    return key.removeprefix(TOGGLE) if value else f"no {key.removeprefix(TOGGLE)}"
