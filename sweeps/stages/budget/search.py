"""The size of a search in full trainings of the baseline: what its trials have cost, and whether more fits.

The cost of a trial is relative work (`sweeps.trial.work`) over its recorded epochs, never time on a clock. So with one
worker a restarted search ends where an unbroken one does, and two machines search alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from sweeps.runners.protocol import Job
from sweeps.trial.trial import Trial
from sweeps.trial.work import BaselineWork

ROUNDING = 1e-9  # twenty trainings of 27 epochs each may sum to a little more than 20

Curves = Mapping[int, Mapping[int, float]]
"""The recorded epochs of trials, by number."""


class SearchBudget:
    """The trainings that a search has used, and those that it has left.

    All amounts are full trainings of the baseline. A trial whose result the result cache supplies costs nothing; one
    that was stopped, broke, or waits has cost the epochs that it has trained.

    Args:
        trainings: The size of the search; None if it has none.
        unit: A training of the baseline.
        trials: The trials of earlier starts.
    """

    def __init__(self, trainings: float | None, unit: BaselineWork, trials: Iterable[Trial]) -> None:
        self.trainings = trainings
        self._unit = unit
        self._per_epoch: dict[int, float] = {}
        self._epochs: dict[int, int] = {}
        for trial in trials:
            if trial.cost or trial.curve:  # others have never begun
                self._add(trial.number, trial.parameters, trial.cost)
            if trial.source:
                self.free(trial.number)

    @property
    def limited(self) -> bool:
        """Whether the search has a size in trainings."""
        return self.trainings is not None

    def add(self, job: Job) -> None:
        """Take in a trial that starts or continues."""
        self._add(job.number, job.settings, job.cost)

    def free(self, number: int) -> None:
        """Note that a trial costs nothing: the result cache supplies it."""
        self._per_epoch[number] = 0.0

    def spent(self, curves: Curves) -> float:
        """Return what the trials have cost so far."""
        epochs = (max(curve, default=0) * self._per_epoch.get(number, 1.0) for number, curve in curves.items())
        return math.fsum(epochs) / self._unit.epochs

    def rest(self, number: int, epoch: int, until: int | None = None) -> float:
        """Return what a trial still costs from `epoch` to `until`, by default its end."""
        last = self._epochs.get(number, self._unit.epochs) if until is None else until
        return max(0, last - epoch) * self._per_epoch.get(number, 1.0) / self._unit.epochs

    def newcomer(self, until: int | None = None) -> float:
        """Return what a new trial should cost up to `until`, by default its end: as the trials so far on average."""
        trained = [number for number, price in self._per_epoch.items() if price]
        if not trained:
            return (self._unit.epochs if until is None else until) / self._unit.epochs
        return math.fsum(self.rest(number, 0, until) for number in trained) / len(trained)

    def admits(self, curves: Curves, ahead: float) -> bool:
        """Return whether `ahead` more fits."""
        return self.trainings is None or self.spent(curves) + ahead <= self.trainings + ROUNDING

    def _add(self, number: int, settings: Mapping[str, object], cost: Mapping[str, int]) -> None:
        self._per_epoch[number] = self._unit.per_epoch(cost)
        self._epochs[number] = self._unit.epochs_of(settings)
