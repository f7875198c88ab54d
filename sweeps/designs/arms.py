"""The arms of a design: the recipes to compare, and those that are not applicable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Literal, TypeAlias

from sweeps.designs.components import NONE, conflict
from sweeps.designs.fractional import base_factors, fraction
from sweeps.designs.scaling import Fitted, Weigh
from sweeps.recipe.keys import value_at
from sweeps.trial.arm import BASELINE, Arm
from sweeps.trial.feasibility import Feasibility

Fit: TypeAlias = Callable[[Feasibility], Fitted]
Components: TypeAlias = Mapping[str, Mapping[str, Any]]
DesignName: TypeAlias = Literal["leave_one_out", "add_one_in", "factorial", "alternatives"]

MOST_RUNS = 1024
"""The most runs of a factorial."""


class TooLarge(ValueError):
    """A factorial has more than `MOST_RUNS` runs."""


@dataclass(frozen=True)
class Design:
    """The arms of an ablation.

    Attributes:
        name: The name of the design.
        arms: The arms, the reference first; those that are not applicable are included.
        generators: How a fraction of a factorial was chosen ("g = a × b × c"); empty otherwise.
        aliases: The two-way interactions of a fraction that share an estimate ("a:b" -> ["c:d"]); empty otherwise.
    """

    name: str
    arms: tuple[Arm, ...]
    generators: tuple[str, ...] = ()
    aliases: Mapping[str, list[str]] = field(default_factory=dict)


def arms(
    design: DesignName,
    baseline: Mapping[str, Any],
    components: Components,
    weigh: Weigh,
    *,
    fit: Fit | None = None,
    seeds: int = 1,
) -> Design:
    """Make the arms of an ablation.

    Args:
        design: leave_one_out: the baseline without each component. add_one_in: the recipe without any component, and
            with each alone. factorial: every combination, or a fraction of them. alternatives: each component in the
            place of the baseline.
        baseline: The nested settings of the baseline.
        components: Name of the component -> settings by dotted key that remove it.
        weigh: Checks a recipe.
        fit: Scales a recipe that violates a constraint until it fits; by default it is not applicable.
        seeds: The number of seeds of each arm.

    Returns:
        The design. An arm that cannot be trained has its `reason`.

    Raises:
        ValueError: A recipe that the whole design depends on is not applicable: the baseline, the reference of
            add_one_in, a cell of a factorial. Or components cannot be removed together.
        TooLarge: A factorial has more than `MOST_RUNS` runs.

    Example:
        >>> made = arms("leave_one_out", {"momentum": 0.9}, {"momentum": {"momentum": 0.0}}, gate.weigh)
        >>> [arm.name for arm in made.arms]
        ['baseline', 'momentum']
    """
    bench = _Bench(baseline, weigh(baseline, {}).settings, components, weigh, fit)
    start = bench.arm(BASELINE, ())
    if start.reason:
        raise ValueError(f"the baseline of the ablation is not applicable: {start.reason}")
    if design == "factorial":
        return _factorial(bench, start, seeds)
    return _add_one_in(bench, start) if design == "add_one_in" else _one_at_a_time(design, bench, start)


def require_affordable(components: int, seeds: int) -> None:
    """Check the number of runs of a factorial.

    Args:
        components: The number of components.
        seeds: The number of seeds of each recipe.

    Raises:
        TooLarge: It has more than `MOST_RUNS` runs.
    """
    recipes = 1 << base_factors(components)
    runs = recipes * seeds
    if runs > MOST_RUNS:
        raise TooLarge(
            f"a factorial of {components} components is {recipes:,} recipes × {seeds} seeds = {runs:,} runs, "
            f"more than {MOST_RUNS:,}: name fewer components or seeds, or write design: leave_one_out"
        )


@dataclass(frozen=True)
class _Bench:
    """The means to make an arm; `resolved` is the baseline with every default."""

    baseline: Mapping[str, Any]
    resolved: Mapping[str, Any]
    components: Components
    weigh: Weigh
    fit: Fit | None

    def arm(self, name: str, removed: Sequence[str], reference: Arm | None = None) -> Arm:
        """The baseline without the components in `removed`, to be compared with `reference`."""
        feasibility = self.weigh(self.baseline, self._removal(removed))
        # Two arms with one recipe would share all their runs, and differ by exactly 0.
        if reference is not None and feasibility.accepted and feasibility.settings == reference.settings:
            feasibility = replace(feasibility, reason=f"changes nothing: the recipe is that of {reference.name}")
        fitted = Fitted(feasibility)
        if self.fit is not None and feasibility.violations:
            fitted = self.fit(feasibility)
        feasibility = fitted.feasibility
        edits = {} if reference is None else {**self._edits(removed, reference), **fitted.edits}
        against = "" if reference is None else reference.name
        return Arm(
            name,
            feasibility.settings,
            edits,
            tuple(removed),
            against,
            feasibility.cost,
            feasibility.reason,
            note=fitted.note,
        )

    def _removal(self, removed: Iterable[str]) -> dict[str, Any]:
        return {key: value for name in removed for key, value in self.components[name].items()}

    def _edits(self, removed: Sequence[str], reference: Arm) -> dict[str, Any]:
        """The settings in which the arm differs from its reference.

        They remove the components that only the arm lacks, and restore the baseline's values of those that it adds.
        """
        taken_out = self._removal(name for name in removed if name not in reference.removed)
        still_removed = self._removal(removed)
        added = self._removal(name for name in reference.removed if name not in removed)
        # A setting that two components remove is restored only when both are back.
        restored = {key: _value(self.resolved, key, value) for key, value in added.items() if key not in still_removed}
        return restored | taken_out


def _value(settings: Mapping[str, Any], key: str, like: Any) -> Any:
    """The value of a dotted key; of a section only the settings that `like` names. None where there is none."""
    value = value_at(settings, key)
    both_sections = isinstance(value, Mapping) and isinstance(like, Mapping)
    return {name: value.get(name) for name in like} if both_sections else value


def _one_at_a_time(design: DesignName, bench: _Bench, start: Arm) -> Design:
    """Each component by itself: taken out of the baseline (leave_one_out) or set in its place (alternatives)."""
    arms = [bench.arm(name, (name,), start) for name in bench.components]
    if design == "alternatives":  # another recipe, which lacks no component of the baseline
        arms = [replace(arm, removed=()) for arm in arms]
    return Design(design, (start, *arms))


def _add_one_in(bench: _Bench, start: Arm) -> Design:
    singles = {name: bench.arm(f"only {name}", (name,), start) for name in bench.components}
    usable = _usable("add_one_in", bench, singles)
    none = bench.arm(NONE, usable)
    if none.reason:
        raise ValueError(f"add_one_in: the recipe without {', '.join(usable)} is not applicable: {none.reason}")
    alone = [
        bench.arm(f"only {name}", [other for other in usable if other != name], none)
        if name in usable
        else replace(single, removed=(), edits={}, reference=NONE)
        for name, single in singles.items()
    ]
    return Design("add_one_in", (none, *alone, bench.arm(BASELINE, (), none)))


def _factorial(bench: _Bench, start: Arm, seeds: int) -> Design:
    singles = {name: bench.arm(f"no {name}", (name,), start) for name in bench.components}
    usable = _usable("factorial", bench, singles)
    require_affordable(len(usable), seeds)
    factorial = fraction(usable)
    cells = [start, *(bench.arm(f"no {', '.join(removed)}", removed, start) for removed in factorial.removed[1:])]
    _require_cells(cells)
    unusable = [arm for name, arm in singles.items() if name not in usable]
    return Design("factorial", (*cells, *unusable), factorial.generators, factorial.aliases)


def _usable(design: str, bench: _Bench, singles: Mapping[str, Arm]) -> list[str]:
    """The components that can be removed by themselves. Raises ValueError where they cannot be removed together."""
    usable = [name for name, arm in singles.items() if not arm.reason]
    if not usable:
        reasons = "; ".join(f"{name}: {arm.reason}" for name, arm in singles.items())
        raise ValueError(f"{design}: no component is applicable: {reasons}")
    for first, second in combinations(usable, 2):
        if contradiction := conflict(bench.components[first], bench.components[second]):
            raise ValueError(f"{design}: {first} and {second} cannot both be removed: {contradiction}")
    return usable


def _require_cells(cells: Sequence[Arm]) -> None:
    """Raise ValueError for a cell that is not applicable, or two with the same recipe: neither leaves a factorial."""
    names: dict[str, str] = {}
    for cell in cells:
        if cell.reason:
            raise ValueError(f"factorial: {cell.name!r} is not applicable, and no cell may be missing: {cell.reason}")
        if cell.recipe in names:
            twin = names[cell.recipe]
            raise ValueError(f"factorial: {cell.name!r} is the same recipe as {twin!r}: these components overlap")
        names[cell.recipe] = cell.name
