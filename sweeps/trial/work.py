"""The work of trials, in epochs or full trainings of the baseline: a cost that is the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.trial.trial import Trial


@dataclass(frozen=True)
class BaselineWork:
    """A full training of the baseline, by which the work of other trainings is measured.

    Work is MACs of one example times epochs. Where either cost has no `macs`, both are taken to be equal.

    Attributes:
        epochs: The epochs of the baseline.
        macs: The MACs of one example; 0 where the workload counts none.
    """

    epochs: int
    macs: int = 0

    @classmethod
    def of(cls, cost: Mapping[str, int], epochs: int) -> BaselineWork:
        """Return the work of a baseline with the workload's counts and a number of epochs."""
        return cls(epochs, cost.get("macs", 0))

    def per_epoch(self, cost: Mapping[str, int]) -> float:
        """Return the work of an epoch of a recipe, in epochs of the baseline.

        Args:
            cost: The workload's counts of the recipe.
        """
        macs = cost.get("macs")
        return macs / self.macs if macs and self.macs else 1.0

    def training(self, settings: Mapping[str, Any], cost: Mapping[str, int]) -> float:
        """Return the work of a run that trains to its end, in full trainings of the baseline.

        Args:
            settings: The recipe of the run.
            cost: Its counts.
        """
        return self.per_epoch(cost) * self.epochs_of(settings) / self.epochs

    def spent(self, trials: Iterable[Trial]) -> float:
        """Return what trials have cost so far, in full trainings of the baseline.

        The epochs of stopped, broken and paused trials count. Those of the result cache cost nothing.
        """
        epochs = (trial.epochs * self.per_epoch(trial.cost) for trial in trials if not trial.source)
        return math.fsum(epochs) / self.epochs

    def epochs_of(self, settings: Mapping[str, Any]) -> int:
        """Return the epochs of a run that trains to its end; those of the baseline where the recipe has none."""
        epochs = settings.get("epochs", self.epochs)
        return epochs if isinstance(epochs, int) else self.epochs
