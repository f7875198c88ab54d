"""Outline a study before it runs: its arms, the share of the space that fits, and the work of a trial.

Work is device time in multiples of one run of the baseline.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import partial

from sweeps.designs import arms, components_of
from sweeps.designs.scaling import fitted
from sweeps.forecast.ranges import Range, spread
from sweeps.io.errors import UserError
from sweeps.io.machine import available_cores
from sweeps.prepare.prepared import PreparedStudy
from sweeps.pruners.factory import epochs_of
from sweeps.stats import share_interval
from sweeps.study.resources import slots
from sweeps.study.study import Study
from sweeps.trial.arm import BASELINE, Arm
from sweeps.trial.feasibility import Feasibility
from sweeps.trial.seeds import stream
from sweeps.trial.work import BaselineWork

DRAWS = 400  # random configurations of a space that is too large to try all


class Unplannable(UserError):
    """The ablation's design cannot be built from the baseline and these components."""


@dataclass(frozen=True)
class Fitting:
    """How much of the space satisfies the constraints.

    Attributes:
        fit: The configurations that fit.
        drawn: The configurations that were tried.
        share: `fit / drawn`.
        low: The lower bound of the share's 95 % interval.
        high: The upper bound.
        exact: Whether `drawn` are all configurations of the space; then both bounds are the share itself.
        work: The work of a configuration that fits, in runs of the baseline.
    """

    fit: int
    drawn: int
    share: float
    low: float
    high: float
    exact: bool
    work: Range


@dataclass(frozen=True)
class StudyOutline:
    """What a forecast needs to know of a study.

    Attributes:
        prepared: The study, prepared for this machine.
        baseline: The baseline's recipe and cost.
        epochs: The epochs of the baseline.
        at_once: How many trials run at once.
        fitting: The share of the space that fits; None if nothing is searched.
        arms: The arms of the ablation. The baseline alone without an ablation, and for a path, whose steps only the
            search will show.
    """

    prepared: PreparedStudy
    baseline: Feasibility
    epochs: int
    at_once: int
    fitting: Fitting | None
    arms: tuple[Arm, ...]

    @property
    def study(self) -> Study:
        """The study as it will run."""
        return self.prepared.study

    @property
    def applicable_arms(self) -> list[Arm]:
        """The arms that can be trained."""
        return [arm for arm in self.arms if arm.applicable]

    @property
    def unit(self) -> BaselineWork:
        """A full training of the baseline."""
        return BaselineWork.of(self.baseline.cost, self.epochs)

    def work(self, arm: Arm) -> float:
        """Return the work of a run of `arm`, in runs of the baseline."""
        return self.unit.training(arm.settings, arm.cost)

    @property
    def trial_work(self) -> Range:
        """The work of a trial of the search that trains to its end, in runs of the baseline."""
        return self.fitting.work if self.fitting is not None else Range.of(1)

    @property
    def best_unknown(self) -> bool:
        """Whether the later stages start from a best recipe that only the search will show."""
        ablation = self.study.ablation
        return self.fitting is not None and (ablation is None or ablation.baseline == "best")

    @property
    def incumbent_work(self) -> Range:
        """The work of the recipe that the later stages start from, in runs of the baseline."""
        return self.trial_work if self.best_unknown else Range.of(1)


def outline_study(prepared: PreparedStudy, workers: int | None, sampling: bool = True) -> StudyOutline:
    """Check the baseline, a sample of the space and the ablation's arms.

    Args:
        prepared: The study, prepared for this machine.
        workers: The most trials that run at once; None: as many as the machine holds.
        sampling: Whether the space is sampled. Without it a trial is taken to be as long as the baseline.

    Raises:
        Unplannable: The ablation's design cannot be built.
    """
    study, baseline = prepared.study, prepared.gate.baseline()
    epochs = epochs_of(study, prepared.workload) or 1
    fitting = _fitting(prepared, baseline, epochs) if sampling and study.space.dimensions else None
    at_once = slots(study, prepared.site.device, available_cores(), prepared.device.count, workers)
    return StudyOutline(prepared, baseline, epochs, at_once, fitting, _arms(prepared, baseline))


def _fitting(prepared: PreparedStudy, baseline: Feasibility, epochs: int) -> Fitting:
    study, space = prepared.study, prepared.study.space
    exact = space.size is not None and space.size <= DRAWS
    generator = random.Random(stream(study.seed, "plan"))
    configurations = list(space.grid()) if exact else [space.draw(generator) for _ in range(DRAWS)]
    accepted = [result for result in map(prepared.gate.assess, configurations) if result.accepted]
    unit = BaselineWork.of(baseline.cost, epochs)
    works = [unit.training(result.settings, result.cost) for result in accepted]
    fit, drawn = len(accepted), len(configurations)
    low, high = (fit / drawn, fit / drawn) if exact else share_interval(fit, drawn)
    trials = math.ceil(study.budget.trainings or 1) if study.most_trials is None else study.most_trials
    return Fitting(fit, drawn, fit / drawn, low, high, exact, spread(works, trials, study.method))


def _arms(prepared: PreparedStudy, baseline: Feasibility) -> tuple[Arm, ...]:
    study, gate, ablation = prepared.study, prepared.gate, prepared.study.ablation
    if ablation is None or ablation.design == "path":
        return (Arm(BASELINE, baseline.settings, cost=baseline.cost),)
    fit = partial(fitted, prepared.workload, gate.weigh) if ablation.over_budget == "shrink" else None
    try:
        components = components_of(ablation.components or (), prepared.workload.toggles())
        return arms(ablation.design, baseline.settings, components, gate.weigh, fit=fit, seeds=ablation.min_seeds).arms
    except ValueError as error:
        raise Unplannable(f"{study.name}: {error}") from None
