"""The race behind the design `path`: which change comes next on the way from the baseline to the incumbent.

Fawcett & Hoos, "Analysing differences between algorithm configurations through ablation" (Journal of Heuristics 2016):
at each step all remaining changes are tried and the best one is kept. They race over seeds: a change that is behind the
best by a paired t test is not run again. What the race measures only orders the steps; the path is measured afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.designs import Design, path_steps
from sweeps.designs.path import FIRST
from sweeps.samplers.feasibility import ConstraintGate
from sweeps.stages.ablation.stage import BadDesign
from sweeps.stages.base import Task
from sweeps.stages.context import Context
from sweeps.stages.incumbent import incumbent, parameters_of
from sweeps.stages.replicates import ReplicateStage
from sweeps.stats import paired
from sweeps.study.sections import Seeds
from sweeps.study.stages import ABLATION
from sweeps.trial.arm import BASELINE, Arm
from sweeps.trial.assessment import Feasibility
from sweeps.trial.trial import Trial

RACE = "race"
OUT_BELOW = 0.1  # two-sided p, so one-sided 0.05: too early out costs the order of two steps, never a reported figure

Steps = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Standing:
    """How far a race is: the steps decided so far, the candidates of the next one, and the seeds each is to have.

    The race is over when there are no candidates.
    """

    path: tuple[Arm, ...]
    candidates: tuple[Arm, ...] = ()
    seeds: int = 0


class PathRace(ReplicateStage):
    """The scheduler of the race; its arms are found as it goes."""

    def __init__(self, context: Context) -> None:
        rule = context.study.ablation
        assert rule is not None
        self._most = rule.seeds.min if isinstance(rule.seeds, Seeds) else rule.seeds
        self._origin, self._steps = _way(context)
        super().__init__(context, ABLATION, context.store.ledger(RACE), ())
        self._advance()
        for number, _ in self._ledger.unfinished():
            trial = self._ledger.trial(number)
            if (trial.recipe, trial.replicate) not in self._runs:
                self._ledger.abandon(number, f"{trial.variant} is no candidate any more")

    def wanted(self) -> Mapping[str, int]:
        """The seeds of the candidates of the step that is raced for; what was decided needs no more."""
        return {arm.name: self._standing.seeds for arm in self._standing.candidates}

    def design(self) -> Design:
        """The path that was found: each arm is compared with the one before it."""
        return Design("path", (self._origin, *self._standing.path))

    def _advance(self) -> None:
        """Find the candidates that the figures so far lead to, and count in what was run of them."""
        while True:
            gate, goal = self._context.gate, self._study.metric.goal
            self._standing = standing(self._origin, self._steps, gate, self._known, self._most, goal)
            new = [arm for arm in self._standing.candidates if arm not in self._active]
            if not new:
                return
            self._active += new
            self.arms = (*self.arms, *new)
            self._ledger.set_arms(list(self.arms))
            for trial in self._ledger.trials():
                if any(arm.recipe == trial.recipe for arm in new):
                    self._take_over(trial)
            self._context.observer.on_stage(RACE, len(self._active) * min(FIRST, self._most))

    def _known(self, arm: Arm, seeds: int) -> dict[int, float] | None:
        """The figures of an arm's first `seeds` runs; None until they have ended."""
        if not self.ended(arm, seeds):
            return None
        return {number: figure for number, figure in self.figures(arm).items() if number < seeds}

    def _take_over(self, trial: Trial) -> None:
        # The base class would give up runs whose arms are not known yet.
        if any(arm.recipe == trial.recipe for arm in self._active):
            super()._take_over(trial)

    def _ended(self, task: Task, trial: Trial) -> None:
        super()._ended(task, trial)
        self._advance()


def standing(
    start: Arm,
    steps: Steps,
    gate: ConstraintGate,
    known: Callable[[Arm, int], dict[int, float] | None],
    most: int,
    goal: str,
) -> Standing:
    """Where a race stands, given what is known of each arm's first runs (None: they have not ended).

    `steps` are the changes as nested overrides by dotted key; `most` the seeds of the longest race for a step.
    """
    path: list[Arm] = []
    left = dict(steps)
    while left:
        before = path[-1] if path else start
        field = _candidates(before, left, gate, len(path) + 1)
        if len(field) > 1:
            field, seeds = _raced(field, known, most, goal)
            if seeds:
                return Standing(tuple(path), tuple(field), seeds)
        path += field
        left = {name: step for name, step in left.items() if name not in field[0].removed}
    return Standing(tuple(path))


def _candidates(before: Arm, left: Steps, gate: ConstraintGate, number: int) -> list[Arm]:
    """The next step one change further; where none fits the constraints by itself, all the rest at once."""
    field = []
    for name, step in left.items():
        weighed = gate.weigh(before.settings, step)
        if weighed.accepted and weighed.settings != before.settings:
            field.append(_arm(f"{number}: {name}", weighed, step, (name,), before))
    if field:
        return field
    together = {key: value for step in left.values() for key, value in step.items()}
    weighed = gate.weigh(before.settings, together)
    return [_arm(f"{number}: {', '.join(left)}", weighed, together, tuple(left), before)]


def _arm(name: str, weighed: Feasibility, step: Mapping[str, Any], changed: tuple[str, ...], before: Arm) -> Arm:
    return Arm(name, weighed.settings, dict(step), changed, before.name, weighed.cost, weighed.reason)


def _raced(
    field: list[Arm], known: Callable[[Arm, int], dict[int, float] | None], most: int, goal: str
) -> tuple[list[Arm], int]:
    """The candidates still racing and the seeds that they need next; the best one and 0 once the race is decided."""
    alive = list(field)
    for seeds in range(min(FIRST, most), most + 1):
        figures: dict[str, dict[int, float]] = {}
        for arm in alive:
            found = known(arm, seeds)
            if found is None:
                return alive, seeds
            figures[arm.name] = found
        best = max(alive, key=lambda arm: _merit(figures[arm.name], goal))
        alive = [arm for arm in alive if arm is best or not _behind(figures[arm.name], figures[best.name])]
        if len(alive) == 1:
            break
    return [best], 0


def _merit(figures: Mapping[int, float], goal: str) -> float:
    sign = 1 if goal == "maximize" else -1
    return sign * sum(figures.values()) / len(figures) if figures else -float("inf")


def _behind(own: Mapping[int, float], best: Mapping[int, float]) -> bool:
    """Whether a candidate differs from the best one, which has the better mean; one without a figure does."""
    both = sorted(own.keys() & best.keys())
    if not own:
        return True
    found = paired([best[number] for number in both], [own[number] for number in both])
    return found is not None and found.p < OUT_BELOW


def _way(context: Context) -> tuple[Arm, Steps]:
    """The baseline as given and the changes that lead to the incumbent. Raises BadDesign where there are none."""
    study, gate = context.study, context.gate
    goal = incumbent(context.store.results(), gate)
    given = gate.baseline()
    before = parameters_of(study.space, context.workload, given.settings)
    if before is None:
        raise BadDesign(f"{study.name}: ablation: design: path: the baseline lacks a setting that is searched")
    found = path_steps(before, goal.arm.edits, study.space)  # the edits of a candidate are its searched values
    if not found:
        raise BadDesign(
            f"{study.name}: ablation: design: path: the incumbent ({goal.origin}) is the baseline: there is no way "
            f"to go; search more, or write another design"
        )
    toggles = context.workload.toggles()
    start = Arm(BASELINE, given.settings, cost=given.cost)
    return start, {name: study.space.overrides(step, toggles) for name, step in found.items()}
