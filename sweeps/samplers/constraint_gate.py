"""The constraint gate: what a configuration would cost, checked before a trial exists."""

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
from sweeps.trial.feasibility import Feasibility
from sweeps.workload import Workload

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Uncounted(UserError):
    """A constraint on something that the workload does not count."""


class ConstraintGate:
    """Check configurations of one study against its constraints, and remember the answers.

    Args:
        study: The study whose constraints and space apply.
        workload: Validates recipes and counts their cost.
        baseline: The study's baseline with what was settled for this machine, nested; by default as the file has it.
    """

    def __init__(self, study: Study, workload: Workload, baseline: Mapping[str, Any] | None = None) -> None:
        self._study = study
        self._workload = workload
        self._baseline = study.settings(workload.schema) if baseline is None else baseline
        self._toggles = workload.toggles()
        self._feasibility: dict[str, Feasibility] = {}

    @property
    def workload(self) -> Workload:
        """The workload that counts the cost."""
        return self._workload

    def assess(self, parameters: Mapping[str, Any]) -> Feasibility:
        """Check the baseline with `parameters`, searched values by dotted key.

        Raises:
            Uncounted: The workload does not count what a constraint limits.
        """
        key = json.dumps(parameters, sort_keys=True, default=str)
        if key not in self._feasibility:
            overrides = self._study.space.overrides(parameters, self._toggles)
            self._feasibility[key] = self.weigh(self._baseline, overrides)
        return self._feasibility[key]

    def baseline(self) -> Feasibility:
        """Check the baseline itself. Raises as `assess`."""
        return self.weigh(self._baseline)

    def weigh(self, settings: Mapping[str, Any], overrides: Mapping[str, Any] = _NOTHING) -> Feasibility:
        """Check any recipe.

        Args:
            settings: The recipe, nested.
            overrides: Settings by dotted key that replace those of the recipe.

        Returns:
            The resolved settings, their cost, and why the recipe may not be trained; a recipe that cannot be built has
            a violation of 1 under the name "recipe".

        Raises:
            Uncounted: The workload does not count what a constraint limits.
        """
        schema = self._workload.schema
        settings = schema.merge(settings, overrides)
        try:
            recipe = schema.validate(settings)
            cost = self._workload.cost(recipe)
        except (BadRecipe, ValueError) as error:
            return Feasibility(settings, {}, f"cannot be built: {error}", {"recipe": 1.0})
        except Exception as error:  # noqa: BLE001  (a foreign `cost` that fails must not end the study for good)
            return Feasibility(settings, {}, f"cannot be built: {type(error).__name__}: {error}", {"recipe": 1.0})
        _require_counted(self._study.constraints, cost)
        violated = [constraint for constraint in self._study.constraints if constraint.violation(cost) > 0]
        reason = "; ".join(_over_budget(constraint, cost) for constraint in violated)
        violations = {constraint.quantity: constraint.violation(cost) for constraint in violated}
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
    """Find the configuration with the smallest violation by coordinate descent from `start`.

    Tries the values of each finite dimension in turn until none lowers the sum of violations. This finds the minimum
    where cost grows with each dimension on its own, as parameters and MACs do with widths and blocks.

    Args:
        gate: Checks the configurations.
        space: The space to walk in.
        start: The searched values to start from, by dotted key.
    """
    current, best = dict(start), gate.assess(start)
    improved = True
    while improved and not best.accepted:
        improved = False
        for candidate in _neighbours(space, current):
            feasibility = gate.assess(candidate)
            if sum(feasibility.violations.values()) < sum(best.violations.values()):
                current, best, improved = candidate, feasibility, True
    return best


def _neighbours(space: Space, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The configurations that differ from `values` in one dimension, set to one of its candidate values."""
    for dimension in space.dimensions:
        if dimension.key in values:
            for value in _candidates(dimension):
                yield _completed(space, {**values, dimension.key: value})


def _completed(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` without the dimensions that its choices switch off, and with those that they switch on."""
    completed: dict[str, Any] = {}
    for dimension in space.dimensions:
        if space.active(dimension, completed):
            completed[dimension.key] = values.get(dimension.key, _candidates(dimension)[0])
    return completed


def _candidates(dimension: Dimension) -> tuple[Any, ...]:
    """The ends of a range, every value of a list."""
    if isinstance(dimension, Numeric):
        return (dimension.low, dimension.high)
    assert isinstance(dimension, Categorical)
    return dimension.values
