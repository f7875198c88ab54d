"""SMAC3's multi-fidelity facade: a random forest proposes, Hyperband decides how long each configuration trains.

Lindauer et al., "SMAC3: A Versatile Bayesian Optimization Package for Hyperparameter Optimization", JMLR 2022. SMAC
knows an evaluation at a budget and restarts it for a larger one. It is charged only the epochs that are new, as if its
users saved checkpoints.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from ConfigSpace import CategoricalHyperparameter, Configuration, ConfigurationSpace, Float, Integer
from smac import MultiFidelityFacade, Scenario
from smac.runhistory.dataclasses import TrialInfo, TrialValue

from benchmarks.search_quality.rivals.serve import Dimension, Job, Task

N_TRIALS = 100
"""SMAC begins with a random design of a quarter of this: about the first bracket of Hyperband, at every budget."""


class SmacSearch:
    """One search with SMAC's defaults: eta 3, budgets from 1 epoch to all."""

    def __init__(self, task: Task) -> None:
        logging.disable(logging.WARNING)
        self._epochs = task.epochs
        self._folder = tempfile.TemporaryDirectory(prefix="smac-")
        space = ConfigurationSpace(space=[_hyperparameter(item) for item in task.dimensions], seed=task.seed)
        scenario = Scenario(
            space, output_directory=self._folder.name, deterministic=True, n_trials=N_TRIALS,  # type: ignore[arg-type]
            min_budget=1, max_budget=task.epochs, seed=task.seed,
        )  # fmt: skip
        # The facade calls this function only in `optimize`, which is not used.
        self._facade = MultiFidelityFacade(
            scenario, lambda config, seed, budget: 0.0, overwrite=True, logging_level=False
        )
        self._numbers: dict[Any, int] = {}
        self._curves: dict[int, list[float]] = {}
        self._asked: dict[int, TrialInfo] = {}

    def next(self) -> Job | None:
        """Return the next evaluation; one whose epochs are trained already is answered here."""
        while True:
            try:
                info = self._facade.ask()
            except StopIteration:
                return None
            trial = self._numbers.setdefault(info.config, len(self._numbers))
            self._asked[trial] = info
            if self._until(trial) > len(self._curves.setdefault(trial, [])):
                return Job(trial, {key: _plain(value) for key, value in dict(info.config).items()}, self._until(trial))
            self._tell(trial)

    def moved(self, trial: int, parameters: Mapping[str, Any]) -> None:
        """Have the forest learn from this configuration. SMAC knows it by the one that it proposed."""
        config = self._asked[trial].config
        config._vector = Configuration(config.config_space, values=dict(parameters)).get_array()

    def told(self, trial: int, epoch: int, value: float) -> bool:
        """Tell SMAC the value at the budget's last epoch."""
        self._curves[trial].append(value)
        if epoch == self._until(trial):
            self._tell(trial)
        return True

    def _until(self, trial: int) -> int:
        return max(1, min(self._epochs, round(self._asked[trial].budget)))

    def _tell(self, trial: int) -> None:
        cost = -self._curves[trial][self._until(trial) - 1]
        self._facade.tell(self._asked[trial], TrialValue(cost=cost), save=False)


def begin(task: Task) -> SmacSearch:
    """Begin a search."""
    return SmacSearch(task)


def version() -> str:
    """Return the installed version."""
    return f"smac {metadata.version('smac')}"


def _hyperparameter(dimension: Dimension) -> Any:
    if dimension.values is not None:
        return CategoricalHyperparameter(dimension.key, list(dimension.values))
    if dimension.integer:
        return Integer(dimension.key, (int(dimension.low), int(dimension.high)))
    return Float(dimension.key, (dimension.low, dimension.high))


def _plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    return value.item() if hasattr(value, "item") else value
