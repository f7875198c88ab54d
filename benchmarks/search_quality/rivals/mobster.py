"""Syne Tune's MOBSTER: asynchronous successive halving that promotes, and a Gaussian process over all rungs.

Klein et al., "Model-based Asynchronous Hyperparameter and Neural Architecture Search", arXiv:2003.10865. Syne Tune 0.15
and later have no MOBSTER and no promotion; 0.14.2 is the last that has both.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from typing import Any

import numpy as np
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice, randint, uniform
from syne_tune.optimizer.legacy_baselines import MOBSTER

from benchmarks.search_quality.rivals.serve import Dimension, Job, Task

METRIC, EPOCH, LAST = "value", "epoch", "epochs"

FASTER = {"opt_nstarts": 1, "opt_maxiter": 30, "opt_skip_init_length": 10, "opt_skip_period": 4}
"""Fit the model from one start, and after 10 results for every fourth proposal only: a third of the default's time."""


class MobsterSearch:
    """One search with eta 3 from 1 epoch on, `type="promotion"`, and the model's defaults but for `FASTER`."""

    def __init__(self, task: Task) -> None:
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        np.random.seed(task.seed)
        space = {item.key: _domain(item) for item in task.dimensions}
        self._keys, self._epochs = tuple(space), task.epochs
        self._scheduler = MOBSTER(
            {**space, LAST: task.epochs}, METRIC, EPOCH, max_resource_attr=LAST, type="promotion", mode="max",
            random_seed=task.seed, search_options={"debug_log": False, **FASTER},
        )  # fmt: skip
        self._trials: dict[int, Trial] = {}

    def next(self) -> Job | None:
        """Return a new trial, or one that the scheduler resumes."""
        number = len(self._trials)
        suggestion = self._scheduler.suggest(number)
        if suggestion is None:
            return None
        if suggestion.spawn_new_trial_id:
            self._trials[number] = Trial(number, suggestion.config, datetime.now())
            self._scheduler.on_trial_add(self._trials[number])
        else:
            number = int(suggestion.checkpoint_trial_id)
            self._trials[number] = Trial(number, suggestion.config, datetime.now())
        config = suggestion.config
        return Job(number, {key: config[key] for key in self._keys}, int(config[LAST]))

    def moved(self, trial: int, parameters: Mapping[str, Any]) -> None:
        """Have the model learn from this configuration."""
        self._scheduler.searcher.state_transformer.state.config_for_trial[str(trial)].update(parameters)

    def told(self, trial: int, epoch: int, value: float) -> bool:
        """Report a result; the scheduler continues, pauses or stops the trial."""
        result = {METRIC: value, EPOCH: epoch}
        decision = self._scheduler.on_trial_result(self._trials[trial], result)
        if epoch == self._epochs:
            self._scheduler.on_trial_complete(self._trials[trial], result)
        return bool(decision == "CONTINUE")


def begin(task: Task) -> MobsterSearch:
    """Begin a search."""
    return MobsterSearch(task)


def version() -> str:
    """Return the installed version."""
    return f"syne-tune {metadata.version('syne-tune')}"


def _domain(dimension: Dimension) -> Any:
    if dimension.values is not None:
        return choice(list(dimension.values))
    if dimension.integer:
        return randint(int(dimension.low), int(dimension.high))
    return uniform(dimension.low, dimension.high)
