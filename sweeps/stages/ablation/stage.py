"""The stage ablation: train the arms of a design over paired seeds, as many as the precision needs."""

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
    """The scheduler of the stage.

    Args:
        context: The parts of the running study.
        arms: The arms of the design.
        facts: Facts about the design to store; the stage adds the number of replicates of each arm.
    """

    def __init__(self, context: Context, arms: Sequence[Arm], facts: Mapping[str, Any]) -> None:
        section = context.study.ablation
        assert section is not None
        self._seeds = section.seeds
        self._min_seeds = section.min_seeds
        self._facts = dict(facts)
        self._totals: dict[str, int] = {}  # filled when Stein's first stage has ended
        super().__init__(context, ABLATION, context.storage.stage(ABLATION.name), arms)
        self._note()

    def replicates_needed(self) -> Mapping[str, int]:
        """Return the replicates of each arm: the number in the study file or, with a precision, Stein's.

        Stein's two-stage procedure (1945) estimates the variance from the first replicates and derives from it the
        number that gives the precision, whatever the means are. It therefore needs no correction for looking early.
        """
        if self._totals:
            return self._totals
        fixed = {arm.name: self._min_seeds for arm in self._active}
        if isinstance(self._seeds, int) or not all(self.ended(arm, self._min_seeds) for arm in self._active):
            return fixed
        self._totals = self._stein(self._seeds, fixed)
        self._note()
        return self._totals

    def _stein(self, seeds: Seeds, fixed: Mapping[str, int]) -> dict[str, int]:
        """For each arm the largest number that one of its comparisons needs."""
        totals = dict(fixed)
        for names, differences in self._comparisons(self._min_seeds):
            if len(differences) > 1:
                needed = stein_total(differences, seeds.precision, seeds.max)
                totals |= {name: max(totals[name], needed) for name in names}
        return totals

    def _comparisons(self, first: int) -> list[tuple[list[str], list[float]]]:
        """The names of the arms of each comparison, and its differences over the first replicates."""
        figures = {arm.name: self.figures(arm) for arm in self._active}
        if self._facts.get("design") == "factorial":
            return [(list(figures), effect) for effect in _effects(self._active, figures, first)]
        compared = [arm for arm in self._active if arm.reference in figures]
        return [([arm.name, arm.reference], _differences(figures, arm, first)) for arm in compared]

    def _note(self) -> None:
        """Store the design's facts and the replicates of each arm; report the number of runs to the observer."""
        needed = dict(self._totals or self.replicates_needed())
        first = {"first": self._min_seeds} if isinstance(self._seeds, Seeds) else {}
        self._storage.set_facts({**self._facts, **first, "wanted": needed})
        self._context.observer.on_stage(ABLATION.name, self.total())


def _differences(figures: Mapping[str, Mapping[int, float]], arm: Arm, first: int) -> list[float]:
    """The differences of an arm from its reference over the replicates that both have."""
    of_arm, of_reference = figures[arm.name], figures[arm.reference]
    both = [replicate for replicate in range(first) if replicate in of_arm and replicate in of_reference]
    return [of_arm[replicate] - of_reference[replicate] for replicate in both]


def _effects(arms: Sequence[Arm], figures: Mapping[str, Mapping[int, float]], first: int) -> list[list[float]]:
    """The values of each effect of a factorial, one per replicate of which every arm has a figure."""
    whole = [replicate for replicate in range(first) if all(replicate in figures[arm.name] for arm in arms)]
    components = sorted({name for arm in arms for name in arm.removed})
    values = np.array([[figures[arm.name][replicate] for arm in arms] for replicate in whole])
    design = np.array([[-1.0 if name in arm.removed else 1.0 for name in components] for arm in arms])
    effects = seed_effects(values, design) if whole else None
    return [] if effects is None else [list(map(float, effect)) for effect in effects.T]


def design_of(context: Context) -> Design:
    """Return the arms of every design but the path, starting from the incumbent or from the baseline of the file.

    Raises:
        BadDesign: The baseline and the components do not allow the design.
        NoCandidate, NotYet: There is no incumbent yet.
    """
    study, workload, gate = context.study, context.workload, context.gate
    section = study.ablation
    assert section is not None
    assert section.design != "path"
    from_file = section.baseline == "given"
    settings = gate.baseline().settings if from_file else incumbent(context.storage.results(), gate).arm.settings
    fit = partial(fitted, workload, gate.weigh) if section.over_budget == "shrink" else None
    try:
        components = components_of(section.components or (), workload.toggles())
        return arms(section.design, settings, components, gate.weigh, fit=fit, seeds=section.min_seeds)
    except ValueError as error:
        raise BadDesign(f"{study.name}: ablation: {error}") from None


def facts_of(design: Design) -> dict[str, Any]:
    """Return the facts of a design that the stage stores: its name and, unless empty, its generators and aliases."""
    facts = {"design": design.name, "generators": list(design.generators), "aliases": dict(design.aliases)}
    return {name: fact for name, fact in facts.items() if fact}
