"""The stage ablation: train the arms of a design over paired seeds, as many as the precision needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from sweeps.designs import Design, arms, components_of
from sweeps.designs.scaling import fitted
from sweeps.io.errors import UserError
from sweeps.stages.ablation.tested import families
from sweeps.stages.context import Context
from sweeps.stages.incumbent import incumbent
from sweeps.stages.replicates import ReplicateStage
from sweeps.stats import Looks, decided, seed_effects, stein_total
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
        self._totals: dict[str, int] = {}  # filled when the first seeds of every arm have ended
        anytime = isinstance(self._seeds, Seeds) and self._seeds.anytime
        self._looks = Looks(self._seeds.min, self._seeds.max) if isinstance(self._seeds, Seeds) and anytime else None
        self._looked = -1  # how many runs had ended at the last look
        super().__init__(context, ABLATION, context.storage.stage(ABLATION.name), arms)
        self._note()

    def replicates_needed(self) -> Mapping[str, int]:
        """Return the replicates of each arm: a fixed number, or as many as a precision or a decision needs.

        With a precision it is Stein's two-stage procedure (1945): it estimates the variance from the first replicates
        and derives from it the number that gives the precision, whatever the means are. It therefore needs no
        correction for looking early. With anytime, whose intervals are corrected for that, an arm gets one replicate
        more as long as one of its comparisons is not decided.
        """
        if self._totals and self._looks is None:
            return self._totals
        fixed = {arm.name: self._min_seeds for arm in self._active}
        if isinstance(self._seeds, int) or not all(self.ended(arm, self._min_seeds) for arm in self._active):
            return fixed
        if self._looks is not None:
            return self._after_look(self._looks)
        self._totals = self._stein(self._seeds, fixed)
        self._note()
        return self._totals

    def _after_look(self, looks: Looks) -> Mapping[str, int]:
        """Look at the comparisons again if a run has ended since the last look."""
        ended = sum(trial is not None for trial in self._runs.values())
        if ended != self._looked:
            self._looked = ended
            totals = self._undecided(looks)
            if totals != self._totals:
                self._totals = totals
                self._note()
        return self._totals

    def _undecided(self, looks: Looks) -> dict[str, int]:
        """The replicates that each arm has, and one more for the arms of comparisons that are not decided."""
        whole = {arm.name: self._whole(arm, looks) for arm in self._active}
        totals = dict(whole)
        section, results = self._study.ablation, self._context.storage.results()
        for family in families(results, factorial=self._facts.get("design") == "factorial"):
            tests, void = [one.location for one in family], [one.void for one in family]
            sure = decided(tests, looks, section.margin if section else None, void)
            for one, done in zip(family, sure, strict=True):
                together = min(whole[name] for name in one.arms)
                for name in one.arms:
                    totals[name] = max(totals[name], min(together + (not done), looks.last))
        return totals

    def _whole(self, arm: Arm, looks: Looks) -> int:
        """How many of an arm's first replicates have ended, up to the last look."""
        return next((number for number in range(looks.last) if not self.ended(arm, number + 1)), looks.last)

    def _stein(self, seeds: Seeds, fixed: Mapping[str, int]) -> dict[str, int]:
        """For each arm the largest number that one of its comparisons needs."""
        totals = dict(fixed)
        for names, differences in self._comparisons(self._min_seeds):
            if len(differences) > 1 and seeds.precision is not None:
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
        rule: dict[str, Any] = {}
        if self._looks is not None:
            rule = {"anytime": [self._looks.first, self._looks.last]}
        elif isinstance(self._seeds, Seeds):
            rule = {"first": self._min_seeds}
        self._storage.set_facts({**self._facts, **rule, "wanted": needed})
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
