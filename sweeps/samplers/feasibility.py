"""The budget gate: what a configuration would cost, before it exists anywhere but in the sampler."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from sweeps.io.errors import UserError
from sweeps.recipe.schema import BadRecipe
from sweeps.space.space import Categorical, Dimension, Numeric, Space
from sweeps.study.constraints import Constraint
from sweeps.study.study import Study
from sweeps.trial.assessment import Feasibility
from sweeps.workload import Workload

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Uncounted(UserError):
    """A constraint on something that the workload does not count."""


class ConstraintGate:
    """Weighs configurations of one study against its constraints; remembers what it has weighed."""

    def __init__(self, study: Study, workload: Workload, settled: Mapping[str, Any]) -> None:
        self._study = study
        self._workload = workload
        self._baseline = workload.schema.merge(study.settings(workload.schema), settled)
        self._toggles = workload.toggles()
        self._known: dict[str, Feasibility] = {}

    def assess(self, parameters: Mapping[str, Any]) -> Feasibility:
        """Weigh the configuration that `parameters` (searched values by dotted key) stand for."""
        key = json.dumps(parameters, sort_keys=True, default=str)
        if key not in self._known:
            overrides = self._study.space.overrides(parameters, self._toggles)
            self._known[key] = self.weigh(self._baseline, overrides)
        return self._known[key]

    def baseline(self) -> Feasibility:
        """Weigh the baseline itself."""
        return self.weigh(self._baseline)

    def weigh(self, settings: Mapping[str, Any], overrides: Mapping[str, Any] = _NOTHING) -> Feasibility:
        """Weigh a recipe given by its nested settings, with `overrides` by dotted key put in."""
        schema = self._workload.schema
        settings = schema.merge(settings, overrides)
        try:
            recipe = schema.validate(settings)
            cost = self._workload.cost(recipe)
        except (BadRecipe, ValueError) as error:
            return Feasibility(settings, {}, f"cannot be built: {error}", {"recipe": 1.0})
        except Exception as error:  # noqa: BLE001  (a foreign `cost` that fails must not stop the study for ever)
            return Feasibility(settings, {}, f"cannot be built: {type(error).__name__}: {error}", {"recipe": 1.0})
        _require_counted(self._study.constraints, cost)
        over = [constraint for constraint in self._study.constraints if constraint.violation(cost) > 0]
        reason = "; ".join(_over_budget(constraint, cost) for constraint in over)
        violations = {constraint.quantity: constraint.violation(cost) for constraint in over}
        return Feasibility(schema.dump(recipe), cost, reason, violations)


def _require_counted(constraints: Iterable[Constraint], cost: Mapping[str, int]) -> None:
    for constraint in constraints:
        if constraint.quantity not in cost:
            raise Uncounted(
                f"constraints: {constraint} cannot be checked, for the workload does not count {constraint.quantity}; "
                f"it counts: {', '.join(cost) or 'nothing'}"
            )


def _over_budget(constraint: Constraint, cost: Mapping[str, int]) -> str:
    return f"{cost[constraint.quantity]:,} {constraint.quantity}, over the limit of {constraint.limit:,}"


def smallest(gate: ConstraintGate, space: Space, start: Mapping[str, Any]) -> Feasibility:
    """The least costly configuration that coordinate descent from `start` finds, by the sum of its violations.

    Walks the values of each finite dimension in turn until none lowers the violation: exact where cost grows with each
    dimension by itself, as parameters and MACs do with widths and blocks.
    """
    chosen, best = dict(start), gate.assess(start)
    improved = True
    while improved and not best.accepted:
        improved = False
        for candidate in _neighbours(space, chosen):
            weighed = gate.assess(candidate)
            if sum(weighed.violations.values()) < sum(best.violations.values()):
                chosen, best, improved = candidate, weighed, True
    return best


def _neighbours(space: Space, chosen: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for dimension in space.dimensions:
        if dimension.key in chosen:
            for value in _ends(dimension):
                yield _completed(space, {**chosen, dimension.key: value})


def _completed(space: Space, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`wanted` without the dimensions that its choices switch off, and with those that they switch on."""
    chosen: dict[str, Any] = {}
    for dimension in space.dimensions:
        if space.active(dimension, chosen):
            chosen[dimension.key] = wanted.get(dimension.key, _ends(dimension)[0])
    return chosen


def _ends(dimension: Dimension) -> tuple[Any, ...]:
    if isinstance(dimension, Numeric):
        return (dimension.low, dimension.high)
    assert isinstance(dimension, Categorical)
    return dimension.values
