"""The steps of a path from the baseline to the incumbent: what differs between the two, dimension by dimension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.space.space import TOGGLE, Dimension, Space


def path_steps(baseline: Mapping[str, Any], incumbent: Mapping[str, Any], space: Space) -> dict[str, dict[str, Any]]:
    """The steps that lead from the parameters of the baseline to those of the incumbent: name -> searched values.

    A dimension whose value differs is a step. One that exists only under a condition moves together with the parents
    that differ too, for it means nothing without them. The values are those of the incumbent, by dotted key; `toggle.`
    keys are resolved by `Space.overrides`. All the steps together make the incumbent.
    """
    groups: list[list[Dimension]] = []
    for dimension in space.dimensions:  # parents come before their children
        if _same(baseline, incumbent, dimension.key):
            continue
        above = [group for group in groups if any(parent.key in dimension.when for parent in group)]
        groups = [group for group in groups if group not in above]
        groups.append([*(parent for group in above for parent in group), dimension])
    order = [dimension.key for dimension in space.dimensions]
    groups.sort(key=lambda group: order.index(group[0].key))
    steps = [{item.key: incumbent[item.key] for item in group if item.key in incumbent} for group in groups]
    return {_name(step): step for step in steps if step}


def _same(baseline: Mapping[str, Any], incumbent: Mapping[str, Any], key: str) -> bool:
    return (key in baseline) == (key in incumbent) and baseline.get(key) == incumbent.get(key)


def _name(step: Mapping[str, Any]) -> str:
    return " + ".join(_shown(key, value) for key, value in step.items())


def _shown(key: str, value: Any) -> str:
    if not key.startswith(TOGGLE):
        return key
    return key.removeprefix(TOGGLE) if value else f"no {key.removeprefix(TOGGLE)}"


FIRST = 3  # seeds before a change may fall out
