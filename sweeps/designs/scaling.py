"""Comparison at equal cost: scale down the widths of a variant that violates a constraint until it fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from sweeps.trial.feasibility import Feasibility
from sweeps.workload import Workload

STEPS = 256
"""Factors are multiples of 1/256."""

Weigh: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Any]], Feasibility]
"""Checks a recipe: (nested settings, overrides by dotted key) -> its resolved settings, cost and violations."""


@dataclass(frozen=True)
class Fitted:
    """A recipe after scaling.

    Attributes:
        feasibility: The recipe, its cost, and why it may not be trained.
        edits: The settings that were scaled, by dotted key; empty where none was.
        note: The factor, in words: "widths scaled by 0.84 to fit".
    """

    feasibility: Feasibility
    edits: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def fitted(workload: Workload, weigh: Weigh, over: Feasibility) -> Fitted:
    """Scale the widths of a recipe by the largest factor with which it meets every constraint.

    The factor is a multiple of 1/256 below 1, found by bisection: the cost is taken to grow with the widths. Recipes
    that fit already, and those that cannot be built, are not scaled.

    Args:
        workload: The workload, which scales recipes.
        weigh: Checks recipes.
        over: The recipe.

    Returns:
        The scaled recipe. Where no factor makes it fit, `over` with the reason extended.
    """
    if over.accepted or "recipe" in over.violations:
        return Fitted(over)
    if not workload.has("scale"):
        return _unfit(over, f"workload {workload.name} cannot scale widths: it has no 'scale'")
    recipe = workload.schema.validate(over.settings)

    def scaled(step: int) -> Fitted:
        factor = step / STEPS
        try:
            edits = workload.scale(recipe, factor)
        except ValueError as error:
            return _unfit(over, str(error))
        return Fitted(weigh(over.settings, edits), edits, f"widths scaled by {factor:.3g} to fit")

    low, high, best = 1, STEPS, scaled(1)  # the factor low/256 fits, high/256 does not
    if not best.feasibility.accepted:
        return _unfit(over, f"does not fit even with widths scaled by 1/{STEPS}: {best.feasibility.reason}")
    while high - low > 1:
        middle = (low + high) // 2
        candidate = scaled(middle)
        low, high, best = (middle, high, candidate) if candidate.feasibility.accepted else (low, middle, best)
    return best


def _unfit(over: Feasibility, why: str) -> Fitted:
    return Fitted(replace(over, reason=f"{over.reason}; {why}"))
