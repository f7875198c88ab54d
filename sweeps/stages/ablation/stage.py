"""The stage ablation: the arms of a design over paired seeds, as many as the precision asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from sweeps.designs import Design, arms, components_of
from sweeps.designs.scaling import fitted
from sweeps.io.errors import UserError
from sweeps.stages.context import Context
from sweeps.stages.incumbent import incumbent
from sweeps.stages.replicates import ReplicateStage
from sweeps.stats import seed_effects, stein_total
from sweeps.study.sections import Seeds
from sweeps.study.stages import ABLATION
from sweeps.trial.arm import Arm


class BadDesign(UserError):
    """A design that this baseline and these components do not allow."""


class Ablation(ReplicateStage):
    """The scheduler of the stage. `facts` go beside what it decides itself."""

    def __init__(self, context: Context, arms: Sequence[Arm], facts: Mapping[str, Any]) -> None:
        rule = context.study.ablation
        assert rule is not None
        self._seeds = rule.seeds
        self._facts = dict(facts)
        self._totals: dict[str, int] = {}  # once Stein's first stage has ended
        super().__init__(context, ABLATION, context.store.ledger(ABLATION.name), arms)
        self._note()

    def wanted(self) -> Mapping[str, int]:
        """The replicates of each arm: as many as the file says or, by Stein's procedure, as the first ones ask."""
        first = self._seeds.min if isinstance(self._seeds, Seeds) else self._seeds
        if self._totals:
            return self._totals
        fixed = {arm.name: first for arm in self._active}
        if isinstance(self._seeds, int) or not all(self.ended(arm, first) for arm in self._active):
            return fixed
        self._totals = self._stein(self._seeds, fixed)
        self._note()
        return self._totals

    def _stein(self, rule: Seeds, fixed: Mapping[str, int]) -> dict[str, int]:
        """For each arm the largest number that one of its comparisons needs."""
        totals = dict(fixed)
        for names, differences in self._comparisons(rule.min):
            if len(differences) > 1:
                needed = stein_total(differences, rule.precision, rule.max)
                totals |= {name: max(totals[name], needed) for name in names}
        return totals

    def _comparisons(self, first: int) -> list[tuple[list[str], list[float]]]:
        """The arms of each comparison, and its differences over the first replicates."""
        figures = {arm.name: self.figures(arm) for arm in self._active}
        if self._facts.get("design") == "factorial":
            return [(list(figures), effect) for effect in _effects(self._active, figures, first)]
        compared = [arm for arm in self._active if arm.reference in figures]
        return [([arm.name, arm.reference], _differences(figures, arm, first)) for arm in compared]

    def _note(self) -> None:
        wanted = dict(self._totals or self.wanted())
        first = {"first": self._seeds.min} if isinstance(self._seeds, Seeds) else {}
        self._ledger.set_facts({**self._facts, **first, "wanted": wanted})
        self._context.observer.on_stage(ABLATION.name, self.total())


def _differences(figures: Mapping[str, Mapping[int, float]], arm: Arm, first: int) -> list[float]:
    own, others = figures[arm.name], figures[arm.reference]
    return [
        own[replicate] - others[replicate] for replicate in range(first) if replicate in own and replicate in others
    ]


def _effects(arms: Sequence[Arm], figures: Mapping[str, Mapping[int, float]], first: int) -> list[list[float]]:
    """Each effect of a factorial, by the replicates that every arm has a figure of."""
    whole = [replicate for replicate in range(first) if all(replicate in figures[arm.name] for arm in arms)]
    components = sorted({name for arm in arms for name in arm.removed})
    values = np.array([[figures[arm.name][replicate] for arm in arms] for replicate in whole])
    design = np.array([[-1.0 if name in arm.removed else 1.0 for name in components] for arm in arms])
    found = seed_effects(values, design) if whole else None
    return [] if found is None else [list(map(float, effect)) for effect in found.T]


def design_of(context: Context) -> Design:
    """The arms of every design but the path, from the incumbent or the baseline as given. Raises BadDesign."""
    study, workload, gate = context.study, context.workload, context.gate
    rule = study.ablation
    assert rule is not None
    assert rule.design != "path"
    given = rule.baseline == "given"
    settings = gate.baseline().settings if given else incumbent(context.store.results(), gate).arm.settings
    fit = partial(fitted, workload, gate.weigh) if rule.over_budget == "shrink" else None
    seeds = rule.seeds.min if isinstance(rule.seeds, Seeds) else rule.seeds
    try:
        components = components_of(rule.components or (), workload.toggles())
        return arms(rule.design, settings, components, gate.weigh, fit=fit, seeds=seeds)
    except ValueError as error:
        raise BadDesign(f"{study.name}: ablation: {error}") from None


def facts_of(design: Design) -> dict[str, Any]:
    """What is to be remembered of a design."""
    facts = {"design": design.name, "generators": list(design.generators), "aliases": dict(design.aliases)}
    return {name: fact for name, fact in facts.items() if fact}
