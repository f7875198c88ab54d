"""Comparison at equal parameters: a variant over a constraint, its widths scaled until it fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from sweeps.trial.assessment import Feasibility
from sweeps.workload import Workload

STEPS = 256  # factors are multiples of 1/256

Weigh: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Any]], Feasibility]
"""Nested settings and overrides by dotted key, to their assessment."""


@dataclass(frozen=True)
class Fitted:
    """An assessment, scaled where it had to be: `edits` are the scaled settings by dotted key, `note` says how far."""

    assessment: Feasibility
    edits: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def fitted(workload: Workload, weigh: Weigh, over: Feasibility) -> Fitted:
    """`over` with its widths scaled by the largest factor that meets every constraint; unchanged where none does.

    The factor is found by bisection over multiples of 1/256 in (0, 1), taking cost to grow with the widths; nothing is
    ever enlarged. What cannot be built is no matter of widths and stays as it is.
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

    low, high, best = 1, STEPS, scaled(1)
    if not best.assessment.accepted:
        return _unfit(over, f"does not fit even with widths scaled by 1/{STEPS}: {best.assessment.reason}")
    while high - low > 1:
        middle = (low + high) // 2
        found = scaled(middle)
        low, high, best = (middle, high, found) if found.assessment.accepted else (low, middle, best)
    return best


def _unfit(over: Feasibility, why: str) -> Fitted:
    return Fitted(replace(over, reason=f"{over.reason}; {why}"))
