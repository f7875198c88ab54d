"""The race of the design `path`: which change comes next on the way from the baseline to the incumbent.

Fawcett & Hoos, "Analysing differences between algorithm configurations through ablation" (Journal of Heuristics 2016):
at each step all remaining changes are tried and the best one is kept. They race over seeds: a change that is worse than
the best by a paired t test is not run again. The race only orders the steps; the path itself is measured afterwards, on
other seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.artifacts.layout import RACE
from sweeps.designs import Design, path_steps
from sweeps.designs.path import FIRST
from sweeps.runners.protocol import Job
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.stages.ablation.stage import BadDesign
from sweeps.stages.context import Context
from sweeps.stages.incumbent import incumbent, parameters_of
from sweeps.stages.replicates import ReplicateStage
from sweeps.stats import paired
from sweeps.stats.goal import Goal, sign
from sweeps.study.stages import ABLATION
from sweeps.trial.arm import BASELINE, Arm
from sweeps.trial.feasibility import Feasibility
from sweeps.trial.trial import Trial

# Two-sided p, so one-sided 0.05. Dropping a change too early may swap two steps; it never affects a reported figure.
OUT_BELOW = 0.1

Steps = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Standing:
    """The state of a race, derived from the runs so far.

    Attributes:
        path: The steps decided so far, each as the arm that it leads to.
        candidates: The arms that race for the next step; empty when the race is over.
        seeds: The number of seeds that each candidate is to have.
    """

    path: tuple[Arm, ...]
    candidates: tuple[Arm, ...] = ()
    seeds: int = 0


class PathRace(ReplicateStage):
    """The scheduler of the race. Its arms are determined as it goes."""

    def __init__(self, context: Context) -> None:
        section = context.study.ablation
        assert section is not None
        self._max_seeds = section.min_seeds
        self._origin, self._steps = _origin_and_steps(context)
        super().__init__(context, ABLATION, context.storage.stage(RACE), ())
        self._advance()
        for number, _ in self._storage.unfinished():
            trial = self._storage.trial(number)
            if (trial.recipe, trial.replicate) not in self._runs:
                self._storage.abandon(number, f"{trial.variant} is no candidate any more")

    def replicates_needed(self) -> Mapping[str, int]:
        """Return the seeds of the current candidates; arms of decided steps need no more runs."""
        return {arm.name: self._standing.seeds for arm in self._standing.candidates}

    def design(self) -> Design:
        """Return the path that the race has found: each arm is compared with the one before it."""
        return Design("path", (self._origin, *self._standing.path))

    def _advance(self) -> None:
        """Derive the candidates from the figures so far, and count the runs that they have already."""
        while True:
            gate, goal = self._context.gate, self._study.metric.goal
            self._standing = standing(self._origin, self._steps, gate, self._figures_of, self._max_seeds, goal)
            new = [arm for arm in self._standing.candidates if arm not in self._active]
            if not new:
                return
            self._active += new
            self.arms = (*self.arms, *new)
            self._storage.set_arms(list(self.arms))
            for trial in self._storage.trials():
                if any(arm.recipe == trial.recipe for arm in new):
                    self._take_over(trial)
            self._context.observer.on_stage(RACE, len(self._active) * min(FIRST, self._max_seeds))

    def _figures_of(self, arm: Arm, seeds: int) -> dict[int, float] | None:
        """The figures of an arm's first `seeds` runs, by replicate; None until they have ended."""
        if not self.ended(arm, seeds):
            return None
        return {number: figure for number, figure in self.figures(arm).items() if number < seeds}

    def _take_over(self, trial: Trial) -> None:
        # The base class would abandon runs whose arms have not been determined yet.
        if any(arm.recipe == trial.recipe for arm in self._active):
            super()._take_over(trial)

    def _ended(self, job: Job, trial: Trial) -> None:
        super()._ended(job, trial)
        self._advance()


def standing(
    start: Arm,
    steps: Steps,
    gate: ConstraintGate,
    figures_of: Callable[[Arm, int], dict[int, float] | None],
    max_seeds: int,
    goal: Goal,
) -> Standing:
    """Derive the state of a race from the figures so far. A pure function: a restart derives the same.

    Args:
        start: The baseline.
        steps: The changes that lead to the incumbent: name -> settings by dotted key.
        gate: Checks each candidate against the constraints.
        figures_of: Returns the figures of an arm's first n runs by replicate; None if they have not ended.
        max_seeds: The seeds of the longest race for one step.
        goal: Whether larger or smaller figures are better.
    """
    path: list[Arm] = []
    remaining = dict(steps)
    while remaining:
        before = path[-1] if path else start
        candidates = _candidates(before, remaining, gate, len(path) + 1)
        if len(candidates) > 1:
            candidates, seeds = _raced(candidates, figures_of, max_seeds, goal)
            if seeds:
                return Standing(tuple(path), tuple(candidates), seeds)
        path += candidates
        remaining = {name: step for name, step in remaining.items() if name not in candidates[0].removed}
    return Standing(tuple(path))


def _candidates(before: Arm, remaining: Steps, gate: ConstraintGate, number: int) -> list[Arm]:
    """The arms one change further; where none satisfies the constraints on its own, all remaining changes at once."""
    candidates = []
    for name, step in remaining.items():
        feasibility = gate.weigh(before.settings, step)
        if feasibility.accepted and feasibility.settings != before.settings:
            candidates.append(_arm(f"{number}: {name}", feasibility, step, (name,), before))
    if candidates:
        return candidates
    together = {key: value for step in remaining.values() for key, value in step.items()}
    feasibility = gate.weigh(before.settings, together)
    return [_arm(f"{number}: {', '.join(remaining)}", feasibility, together, tuple(remaining), before)]


def _arm(name: str, feasibility: Feasibility, step: Mapping[str, Any], changed: tuple[str, ...], before: Arm) -> Arm:
    return Arm(name, feasibility.settings, dict(step), changed, before.name, feasibility.cost, feasibility.reason)


def _raced(
    candidates: list[Arm], figures_of: Callable[[Arm, int], dict[int, float] | None], max_seeds: int, goal: Goal
) -> tuple[list[Arm], int]:
    """The candidates still racing and the seeds that they need next; the best one and 0 once the race is decided."""
    alive = list(candidates)
    for seeds in range(min(FIRST, max_seeds), max_seeds + 1):
        figures: dict[str, dict[int, float]] = {}
        for arm in alive:
            arm_figures = figures_of(arm, seeds)
            if arm_figures is None:
                return alive, seeds
            figures[arm.name] = arm_figures
        best = max(alive, key=lambda arm: _merit(figures[arm.name], goal))
        alive = [arm for arm in alive if arm is best or not _behind(figures[arm.name], figures[best.name])]
        if len(alive) == 1:
            break
    return [best], 0


def _merit(figures: Mapping[int, float], goal: Goal) -> float:
    """The mean, signed so that more is better; an arm without figures is last."""
    return sign(goal) * sum(figures.values()) / len(figures) if figures else -float("inf")


def _behind(candidate: Mapping[int, float], best: Mapping[int, float]) -> bool:
    """Whether a candidate is worse than the best one by a paired t test; one without figures is."""
    if not candidate:
        return True
    both = sorted(candidate.keys() & best.keys())
    comparison = paired([best[number] for number in both], [candidate[number] for number in both])
    return comparison is not None and comparison.p < OUT_BELOW


def _origin_and_steps(context: Context) -> tuple[Arm, Steps]:
    """The baseline of the file, and the changes that lead to the incumbent. Raises BadDesign if there are none."""
    study, gate = context.study, context.gate
    goal = incumbent(context.storage.results(), gate)
    baseline = gate.baseline()
    parameters = parameters_of(study.space, context.workload, baseline.settings)
    if parameters is None:
        raise BadDesign(f"{study.name}: ablation: design: path: the baseline lacks a setting that is searched")
    steps = path_steps(parameters, goal.arm.edits, study.space)  # the edits of a candidate are its searched values
    if not steps:
        raise BadDesign(
            f"{study.name}: ablation: design: path: the incumbent ({goal.origin}) is the baseline: the path has "
            f"no steps; extend the search or choose another design"
        )
    toggles = context.workload.toggles()
    origin = Arm(BASELINE, baseline.settings, cost=baseline.cost)
    return origin, {name: study.space.overrides(step, toggles) for name, step in steps.items()}
