"""The incumbent: the best recipe that the stages so far have established."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.evidence import confirmation
from sweeps.io.errors import UserError
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.space.space import TOGGLE, Space
from sweeps.stages.confirm.candidates import NoCandidate, best_trials, candidates
from sweeps.storage.results import Results
from sweeps.study.stages import CONFIRM, SEARCH, stages_of
from sweeps.trial.arm import BASELINE, Arm
from sweeps.workload import Workload


class NotYet(UserError):
    """An earlier stage has not ended."""


@dataclass(frozen=True)
class Incumbent:
    """The best recipe so far.

    Attributes:
        arm: The recipe as an arm.
        origin: Where it comes from: "trial 7, confirmed", "trial 7, one run" or "baseline".
    """

    arm: Arm
    origin: str


def incumbent(results: Results, gate: ConstraintGate) -> Incumbent:
    """Return the recipe that confirm chose; without confirm the best trial; without a search the baseline.

    Raises:
        NoCandidate: No trial of the search has completed, or no run of confirm has a result.
        NotYet: The study has a stage confirm, and it has not ended.
    """
    stages = stages_of(results.study)
    if SEARCH not in stages:
        baseline = gate.baseline()
        return Incumbent(Arm(BASELINE, baseline.settings, cost=baseline.cost), BASELINE)
    if CONFIRM not in stages:
        leader = best_trials(results, gate, top=1)[0]
        return Incumbent(leader, f"{leader.name}, one run")
    evidence = confirmation(results)
    section = results.study.confirm
    best = candidates(results, gate, top=section.top if section else 1).arms
    confirmed = {level.arm.recipe for level in evidence.levels} if evidence else set()
    if evidence is None or not evidence.complete or confirmed != {arm.recipe for arm in best}:
        raise NotYet(f"{results.name}: the stage confirm has not ended, so there is no incumbent yet; run it first")
    if evidence.chosen is None:
        raise NoCandidate(f"{results.name}: no run of the stage confirm has given a figure, so there is no incumbent")
    return Incumbent(evidence.chosen.arm, f"{evidence.chosen.arm.name}, confirmed")


def parameters_of(space: Space, workload: Workload, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the searched values that a recipe has, by dotted key; None if it lacks a searched setting.

    Args:
        space: The space whose dimensions are read off the recipe.
        workload: Validates the recipe.
        settings: The recipe, nested. Its toggles count as on (True).
    """
    recipe = workload.schema.validate(settings)
    values: dict[str, Any] = {}
    for dimension in space.dimensions:
        if not space.active(dimension, values):
            continue
        if dimension.key.startswith(TOGGLE):
            values[dimension.key] = True
            continue
        try:
            values[dimension.key] = workload.schema.get(recipe, dimension.key)
        except KeyError:
            return None
    return values
