"""The incumbent: the recipe that the stages so far have found best, and its searched values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.evidence import confirmation
from sweeps.io.errors import UserError
from sweeps.samplers.feasibility import ConstraintGate
from sweeps.space.space import Space
from sweeps.stages.confirm import NoCandidate, candidates
from sweeps.storage.results import Results
from sweeps.study.stages import CONFIRM, SEARCH, stages_of
from sweeps.trial.arm import BASELINE, Arm
from sweeps.workload import Workload

INCUMBENT = "incumbent"


class NotYet(UserError):
    """An earlier stage has not come to its end."""


@dataclass(frozen=True)
class Incumbent:
    """A recipe as an arm, and where it comes from: "trial 7, confirmed", "trial 7, one run", "baseline"."""

    arm: Arm
    origin: str


def incumbent(results: Results, gate: ConstraintGate) -> Incumbent:
    """The best mean of confirm; without that stage the best of the search; without a search the baseline.

    Raises NoCandidate where no trial has finished, NotYet where confirm is asked for and has not ended.
    """
    stages = stages_of(results.study)
    if SEARCH not in stages:
        given = gate.baseline()
        return Incumbent(Arm(BASELINE, given.settings, cost=given.cost), BASELINE)
    if CONFIRM not in stages:
        leader = candidates(results, gate, top=1)[0]
        return Incumbent(leader, f"{leader.name}, one run")
    found = confirmation(results)
    rule = results.study.confirm
    best = candidates(results, gate, top=rule.top if rule else 1)
    confirmed = {level.arm.recipe for level in found.levels} if found else set()
    if found is None or not found.complete or confirmed != {arm.recipe for arm in best}:
        raise NotYet(f"{results.name}: the stage confirm has not ended, so there is no incumbent yet; run it first")
    level = next((level for level in found.levels if level.values), None)
    if level is None:
        raise NoCandidate(f"{results.name}: no run of the stage confirm has given a figure, so there is no incumbent")
    return Incumbent(level.arm, f"{level.arm.name}, confirmed")


def parameters_of(space: Space, workload: Workload, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The searched values that a recipe itself has, toggles as True; None where it lacks a searched setting."""
    recipe = workload.schema.validate(settings)
    chosen: dict[str, Any] = {}
    for dimension in space.dimensions:
        if not space.active(dimension, chosen):
            continue
        if dimension.key.startswith("toggle."):
            chosen[dimension.key] = True
            continue
        try:
            chosen[dimension.key] = workload.schema.get(recipe, dimension.key)
        except KeyError:
            return None
    return chosen
