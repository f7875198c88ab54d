"""The policies that are compared: a sampler, and who decides how long its trials train."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.search_quality.problems import Parameters
from benchmarks.search_quality.promoting import Promoting, Surrogate
from benchmarks.search_quality.rivals.optuna_hyperband import OptunaHyperband
from benchmarks.search_quality.rivals.remote import Remote
from benchmarks.search_quality.samplers import Random, Sampler, Tpe
from benchmarks.search_quality.simulator import Job, Policy, Task
from benchmarks.search_quality.stock import Stock
from sweeps.pruners.asha import Asha
from sweeps.pruners.base import Rule
from sweeps.pruners.hyperband import Hyperband
from sweeps.pruners.ladder import ladder, pays
from sweeps.pruners.median import Median
from sweeps.pruners.promotion import Promotion
from sweeps.stats.goal import Goal

GOAL: Goal = "maximize"
ETA_STOP = 3


class Stopping(Policy):
    """Trains trials one after another, each until the rule stops it; without a rule to the end."""

    def __init__(self, task: Task, sampler: Sampler, rule: Rule | None) -> None:
        self._task, self._sampler, self._rule = task, sampler, rule
        self._curves: dict[int, dict[int, float]] = {}

    def next(self, now: float) -> Job | None:
        """Start a trial."""
        trial = len(self._curves)
        parameters = self._sampler.ask(trial)
        if parameters is None:
            return None
        self._curves[trial] = {}
        self._sampler.sent(trial, self._task.epochs)
        return Job(trial, parameters, self._task.epochs)

    def moved(self, trial: int, parameters: Parameters) -> None:
        """Tell the sampler."""
        self._sampler.moved(trial, parameters)

    def told(self, trial: int, epoch: int, value: float) -> bool:
        """Ask the rule."""
        self._curves[trial][epoch] = value
        self._sampler.told(trial, epoch, value)
        if self._rule is None or epoch == self._task.epochs:
            return True
        return not self._rule.stops(trial, {number: curve for number, curve in self._curves.items() if curve})

    def left(self, trial: int) -> None:
        """Tell the sampler."""
        self._sampler.left(trial, complete=self._task.epochs in self._curves[trial])


def _stopping(sampler: Callable[[Task], Sampler], rule: Callable[[int], Rule] | None) -> Callable[[Task], Policy]:
    return lambda task: Stopping(task, sampler(task), rule(task.epochs) if rule else None)


def _settled(task: Task) -> Policy:
    """Return what the engine settles for `method: bayes` and `early_terminate: {type: asha}`."""
    if not pays(task.trainings, task.workers):
        return Stopping(task, Surrogate(task), Asha(1, task.epochs, ETA_STOP, GOAL))
    return _promoting(Surrogate)(task)


def _promoting(sampler: Callable[[Task], Sampler]) -> Callable[[Task], Policy]:
    """Return the engine's promotion, on the rungs that the engine would settle."""

    def make(task: Task) -> Policy:
        min_iter, eta = ladder(task.epochs, task.trainings)
        return Promoting(task, sampler(task), Promotion(min_iter, task.epochs, eta, GOAL))

    return make


@dataclass(frozen=True)
class Entry:
    """A policy of the comparison.

    Attributes:
        make: Returns a policy for one search.
        anytime: Whether the budget changes nothing before it is spent, so that one search tells of all smaller budgets.
        rival: The name of a rival that need not be installed.
        longest: The largest budget that it searches with, in full trainings.
        settles: What it settles before it begins, from the budget and the number of workers. A search tells of a
            smaller budget only if the same is settled with that.
    """

    make: Callable[[Task], Policy]
    anytime: bool = True
    rival: str | None = None
    longest: float = math.inf
    settles: Callable[[float, int], object] = lambda trainings, workers: None

    def tells(self, trainings: float, budget: float, workers: int) -> bool:
        """Return whether a search with a budget of `trainings` tells of one with a smaller budget."""
        alike = self.settles(trainings, workers) == self.settles(budget, workers)
        return budget == trainings or (budget < trainings and self.anytime and alike)


def _remote(name: str) -> Entry:
    """Return a rival in a Python of its own. Its proposals take seconds, so it is not given the largest budget."""
    return Entry(lambda task: Remote(task, name), rival=name, longest=20)


OURS = "sweep: bayes, asha"
STOCK = "Ray Tune: OptunaSearch, ASHAScheduler"
FORMER = "sweep before: TPE, asha (stop)"
RANDOM = "random, asha (stop)"
OPTUNA = "Optuna: TPE, HyperbandPruner"
SMAC = "SMAC3: random forest, Hyperband"
SYNE_TUNE = "Syne Tune: MOBSTER (promote)"

_OTHER_RULES: Mapping[str, Entry] = {
    "random, hyperband (stop)": Entry(_stopping(Random, lambda epochs: Hyperband(1, epochs, ETA_STOP, GOAL))),
    "random, median (stop)": Entry(_stopping(Random, lambda epochs: Median(1, 5, GOAL))),
    "random, all trained fully": Entry(_stopping(Random, None)),
    "TPE, all trained fully": Entry(_stopping(Tpe, None)),
}
ON_DIGITS = tuple(_OTHER_RULES)
"""The policies that are compared on digits only."""

POLICIES: Mapping[str, Entry] = {
    OURS: Entry(_settled, settles=pays),
    STOCK: Entry(Stock),
    OPTUNA: Entry(OptunaHyperband),
    SMAC: _remote("smac"),
    SYNE_TUNE: _remote("syne-tune"),
    FORMER: Entry(_stopping(Tpe, lambda epochs: Asha(1, epochs, ETA_STOP, GOAL))),
    "TPE, asha (promote)": Entry(_promoting(Tpe)),
    "random, asha (promote)": Entry(_promoting(Random)),
    RANDOM: Entry(_stopping(Random, lambda epochs: Asha(1, epochs, ETA_STOP, GOAL))),
    **_OTHER_RULES,
}
