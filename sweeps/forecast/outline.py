"""What is known of a study before any of it is run: what fits, and how much more or less than the baseline it takes."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from functools import partial

from sweeps.designs import arms, components_of
from sweeps.designs.scaling import fitted
from sweeps.forecast.ranges import Range, relative_work, slots, spread
from sweeps.io.errors import UserError
from sweeps.prepare.environment import gpu_count
from sweeps.prepare.prepared import PreparedStudy
from sweeps.pruners.factory import epochs_of
from sweeps.stats import share_interval
from sweeps.study.study import Study
from sweeps.trial.arm import BASELINE, Arm
from sweeps.trial.assessment import Feasibility
from sweeps.trial.seeds import stream
from sweeps.validation.warnings import fewest

DRAWS = 400


class Unplannable(UserError):
    """The ablation's design cannot be made of the baseline and these components."""


@dataclass(frozen=True)
class Fitting:
    """How much of the space fits the constraints: `fit` of `drawn` configurations, the share with a 95 % interval.

    `exact` when the configurations are all there are. `work` is the device time of one that fits, in runs of the
    baseline.
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
    """A settled study, weighed: the baseline and its `epochs`, the trials `at_once`, the ablation's `arms`.

    Without an ablation, or for a path, whose steps only the search will show, `arms` is the baseline alone. Where
    nothing is searched, `fitting` is None.
    """

    settled: PreparedStudy
    baseline: Feasibility
    epochs: int
    at_once: int
    fitting: Fitting | None
    arms: tuple[Arm, ...]

    @property
    def study(self) -> Study:
        """The study itself."""
        return self.settled.study

    @property
    def trained(self) -> list[Arm]:
        """The arms that can be trained."""
        return [arm for arm in self.arms if arm.applicable]

    def work(self, arm: Arm) -> float:
        """The device time of a run of `arm`, in runs of the baseline."""
        return relative_work(arm.settings, arm.cost, self.baseline.cost, self.epochs)

    @property
    def tried(self) -> Range:
        """The device time of a recipe of the search when trained to the end, in runs of the baseline."""
        return self.fitting.work if self.fitting is not None else Range.of(1)

    @property
    def best_unknown(self) -> bool:
        """Whether the later stages start from a best recipe that only the search will show."""
        ablation = self.study.ablation
        return self.fitting is not None and (ablation is None or ablation.baseline == "best")

    @property
    def incumbent(self) -> Range:
        """The device time of the recipe that the later stages start from, in runs of the baseline."""
        return self.tried if self.best_unknown else Range.of(1)


def sketch(settled: PreparedStudy, workers: int | None) -> StudyOutline:
    """Weigh the baseline, a sample of the space and the ablation's arms. Raises Unplannable."""
    study, baseline = settled.study, settled.gate.baseline()
    epochs = epochs_of(study, settled.workload) or 1
    fitting = _fitting(settled, baseline, epochs) if study.space.dimensions else None
    cores = len(os.sched_getaffinity(0))
    at_once = slots(study, settled.site.device, cores, gpu_count(), workers)
    return StudyOutline(settled, baseline, epochs, at_once, fitting, _arms(settled, baseline))


def _fitting(settled: PreparedStudy, baseline: Feasibility, epochs: int) -> Fitting:
    study, space = settled.study, settled.study.space
    exact = space.size is not None and space.size <= DRAWS
    generator = random.Random(stream(study.seed, "plan"))
    drawn = list(space.grid()) if exact else [space.draw(generator) for _ in range(DRAWS)]
    fit = [found for found in map(settled.gate.assess, drawn) if found.accepted]
    works = [relative_work(found.settings, found.cost, baseline.cost, epochs) for found in fit]
    share = len(fit) / len(drawn)
    low, high = (share, share) if exact else share_interval(len(fit), len(drawn))
    return Fitting(len(fit), len(drawn), share, low, high, exact, spread(works, study.run_cap, study.method))


def _arms(settled: PreparedStudy, baseline: Feasibility) -> tuple[Arm, ...]:
    study, gate, ablation = settled.study, settled.gate, settled.study.ablation
    if ablation is None or ablation.design == "path":
        return (Arm(BASELINE, baseline.settings, cost=baseline.cost),)
    fit = partial(fitted, settled.workload, gate.weigh) if ablation.over_budget == "shrink" else None
    try:
        components = components_of(ablation.components or (), settled.workload.toggles())
        return arms(ablation.design, baseline.settings, components, gate.weigh, fit=fit, seeds=fewest(ablation)).arms
    except ValueError as error:
        raise Unplannable(f"{study.name}: {error}") from None
