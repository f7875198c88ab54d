"""The arms of a design: which recipes are set side by side, and which of them cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Literal, TypeAlias

from sweeps.designs.components import NONE, conflict
from sweeps.designs.fractional import base_factors, fraction
from sweeps.designs.scaling import Fitted, Weigh
from sweeps.trial.arm import BASELINE, Arm
from sweeps.trial.assessment import Feasibility

Fit: TypeAlias = Callable[[Feasibility], Fitted]
Components: TypeAlias = Mapping[str, Mapping[str, Any]]
DesignName: TypeAlias = Literal["leave_one_out", "add_one_in", "factorial", "alternatives"]

MOST_RUNS = 1024


class TooLarge(ValueError):
    """A factorial of more runs than anyone means to pay for."""


@dataclass(frozen=True)
class Design:
    """The arms of an ablation, reference first, those that are not applicable included.

    For a fraction of a factorial, `generators` say how it was chosen ("g = a × b × c") and `aliases` which two-way
    interactions share an estimate ("a:b" -> ["c:d"]); both are empty otherwise.
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
    """The arms that `design` makes of the `baseline` settings and its `components` (the settings that remove each).

    `weigh` resolves and judges nested settings with overrides; `fit` scales what breaks a constraint until it fits. An
    arm that cannot be trained has its `reason`. Raises ValueError where the whole design falls with one recipe: the
    baseline, the reference of add_one_in, a cell of a factorial; TooLarge for a factorial over `MOST_RUNS` with `seeds`
    each.
    """
    bench = _Bench(baseline, weigh(baseline, {}).settings, components, weigh, fit)
    start = bench.arm(BASELINE, ())
    if start.reason:
        raise ValueError(f"the baseline of the ablation is not applicable: {start.reason}")
    if design == "factorial":
        return _factorial(bench, start, seeds)
    return _add_one_in(bench, start) if design == "add_one_in" else _one_at_a_time(design, bench, start)


def require_affordable(components: int, seeds: int) -> None:
    """Raise TooLarge where a factorial of so many components, over so many seeds, has more than `MOST_RUNS` runs."""
    recipes = 1 << base_factors(components)
    runs = recipes * seeds
    if runs > MOST_RUNS:
        raise TooLarge(
            f"a factorial of {components} components is {recipes:,} recipes × {seeds} seeds = {runs:,} runs, "
            f"more than {MOST_RUNS:,}: name fewer components or seeds, or write design: leave_one_out"
        )


@dataclass(frozen=True)
class _Bench:
    baseline: Mapping[str, Any]
    resolved: Mapping[str, Any]
    components: Components
    weigh: Weigh
    fit: Fit | None

    def arm(self, name: str, removed: Sequence[str], reference: Arm | None = None) -> Arm:
        """The baseline without the components in `removed`, set against `reference`."""
        weighed = self.weigh(self.baseline, self._removal(removed))
        if reference is not None and weighed.accepted and weighed.settings == reference.settings:
            weighed = replace(weighed, reason=f"changes nothing: the recipe is that of {reference.name}")
        fitted = Fitted(weighed)
        if self.fit is not None and weighed.violations:
            fitted = self.fit(weighed)
        weighed = fitted.assessment
        edits = {} if reference is None else {**self._edits(removed, reference), **fitted.edits}
        against = "" if reference is None else reference.name
        return Arm(
            name, weighed.settings, edits, tuple(removed), against, weighed.cost, weighed.reason, note=fitted.note
        )

    def _removal(self, removed: Iterable[str]) -> dict[str, Any]:
        return {key: value for name in removed for key, value in self.components[name].items()}

    def _edits(self, removed: Sequence[str], reference: Arm) -> dict[str, Any]:
        """What sets the arm off from its reference: settings of the parts it lacks, the baseline's of those it adds."""
        taken = self._removal(name for name in removed if name not in reference.removed)
        kept = self._removal(removed)
        added = self._removal(name for name in reference.removed if name not in removed)
        return {key: _value(self.resolved, key, value) for key, value in added.items() if key not in kept} | taken


def _value(settings: Mapping[str, Any], key: str, like: Any) -> Any:
    """The value of a dotted key; of a section only the settings that `like` names. None where there is none."""
    node: Any = settings
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return {name: node.get(name) for name in like} if isinstance(node, Mapping) and isinstance(like, Mapping) else node


def _one_at_a_time(design: DesignName, bench: _Bench, start: Arm) -> Design:
    """Each component by itself: taken out of the baseline (leave_one_out) or set in its place (alternatives)."""
    arms = [bench.arm(name, (name,), start) for name in bench.components]
    if design == "alternatives":  # another recipe lacks nothing
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
    chosen = fraction(usable)
    cells = [start, *(bench.arm(f"no {', '.join(removed)}", removed, start) for removed in chosen.removed[1:])]
    _require_cells(cells)
    unusable = [arm for name, arm in singles.items() if name not in usable]
    return Design("factorial", (*cells, *unusable), chosen.generators, chosen.aliases)


def _usable(design: str, bench: _Bench, singles: Mapping[str, Arm]) -> list[str]:
    """The components that can be removed by themselves; together they must not contradict each other."""
    usable = [name for name, arm in singles.items() if not arm.reason]
    if not usable:
        reasons = "; ".join(f"{name}: {arm.reason}" for name, arm in singles.items())
        raise ValueError(f"{design}: no component is applicable: {reasons}")
    for first, second in combinations(usable, 2):
        if found := conflict(bench.components[first], bench.components[second]):
            raise ValueError(f"{design}: {first} and {second} cannot both be removed: {found}")
    return usable


def _require_cells(cells: Sequence[Arm]) -> None:
    known: dict[str, str] = {}
    for cell in cells:
        if cell.reason:
            raise ValueError(f"factorial: {cell.name!r} is not applicable, and no cell may be missing: {cell.reason}")
        if cell.recipe in known:
            twin = known[cell.recipe]
            raise ValueError(f"factorial: {cell.name!r} is the same recipe as {twin!r}: these components overlap")
        known[cell.recipe] = cell.name
