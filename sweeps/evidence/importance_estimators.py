"""Estimate on which searched settings the metric depends, by PED-ANOVA and fANOVA, with bootstrap intervals.

PED-ANOVA (Watanabe, Bansal & Hutter, IJCAI 2023) ranks the settings in which the good trials differ from the others.
fANOVA (Hutter, Hoos & Leyton-Brown, ICML 2014) gives the share of a random forest's variance that each explains. Both
are Optuna's. The trials are compared at one epoch, which all that are used have reached: the completed trials alone
would leave out those that early termination stopped. The intervals are percentiles over resampled trials.
"""

from __future__ import annotations

import copy
import math
import random
import warnings
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweeps.evidence.importance import Importance
from sweeps.formatting import count
from sweeps.space.distributions import distribution
from sweeps.space.encoding import encode
from sweeps.space.space import Categorical
from sweeps.stats.goal import Goal
from sweeps.storage.results import Results
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Trial

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

MIN_TRIALS = 20  # with fewer the shares are noise, and loading the estimators takes seconds


@dataclass(frozen=True)
class Method:
    """An estimator of importance.

    Attributes:
        name: The name in the report.
        resamples: The number of bootstrap resamples of the trials.
        most: The most trials that are used; of more, as many are drawn at random. The time of PED-ANOVA grows with the
            number of trials, that of fANOVA with its square.
        most_choices: The most values that a setting without an order may have. fANOVA goes through every combination
            of the values on which a tree splits: with 5 values a forest over 100 trials takes 0.2 s, with 10 it takes
            1.2 s, with 120 a report took minutes.
        evaluator: Returns Optuna's evaluator for a seed.
    """

    name: str
    resamples: int
    most: int
    most_choices: float
    evaluator: Callable[[int], BaseImportanceEvaluator]


def _ped_anova(seed: int) -> BaseImportanceEvaluator:
    from optuna.importance import PedAnovaImportanceEvaluator

    return PedAnovaImportanceEvaluator()


def _fanova(seed: int) -> BaseImportanceEvaluator:
    # Few trees and resamples: with 60 trials of 6 settings one forest takes 0.15 s, PED-ANOVA 0.02 s.
    from optuna.importance import FanovaImportanceEvaluator

    return FanovaImportanceEvaluator(n_trees=16, seed=seed % 2**32)


PED_ANOVA = Method("PED-ANOVA", 40, 300, math.inf, _ped_anova)
FANOVA = Method("fANOVA", 20, 100, 8, _fanova)


def importance(results: Results) -> Importance | None:
    """Return the importance by PED-ANOVA; None below `MIN_TRIALS` comparable trials, or if all have equal values."""
    return _importance(results, PED_ANOVA)


def importances(results: Results) -> list[Importance]:
    """Return the importance by each method that the trials allow, PED-ANOVA first.

    The figures are exploratory: the trials of a search are no random sample.
    """
    estimates = (_importance(results, method) for method in (PED_ANOVA, FANOVA))
    return [estimate for estimate in estimates if estimate is not None]


def comparable(results: Results) -> tuple[int, list[Trial]]:
    """Return the latest epoch that half of the trained trials (at least `MIN_TRIALS`) reached, and those trials.

    Trials without a finite metric at the epoch are left out: Optuna rejects them.
    """
    lengths = sorted((trial.epochs for trial in results.trials if trial.epochs), reverse=True)
    needed = max(MIN_TRIALS, len(lengths) // 2)
    if len(lengths) < needed:
        return 0, []
    epoch = lengths[needed - 1]
    return epoch, [trial for trial in results.trials if math.isfinite(trial.curve.get(epoch, math.nan))]


def _importance(results: Results, method: Method) -> Importance | None:
    epoch, trials = comparable(results)
    if len(trials) < MIN_TRIALS or _choices(results) > method.most_choices:
        return None
    seed = stream(results.study.seed, "importance")
    generator, evaluator = random.Random(seed), method.evaluator(seed)
    drawn = ""
    if len(trials) > method.most:
        drawn = f", {method.most:,} of {len(trials):,} trials drawn at random"
        trials = generator.sample(trials, method.most)
    frozen, goal = [_frozen_trial(results, trial, epoch) for trial in trials], results.study.metric.goal
    shares = _shares(frozen, goal, evaluator)
    resamples = (generator.choices(frozen, k=len(frozen)) for _ in range(method.resamples))
    resampled = [_shares(sample, goal, evaluator) for sample in resamples] if shares else []
    usable = [estimate for estimate in resampled if estimate]
    # A resample of equal values has no importance; with many of them the intervals would rest on a few.
    if not shares or len(usable) < method.resamples // 2:
        return None
    name = f"{method.name} on the metric after {count(epoch, 'epoch')}{drawn}"
    return _with_spread(name, shares, usable, len(trials))


def _choices(results: Results) -> int:
    """The most values that a searched setting without an order has."""
    dimensions = results.study.space.dimensions
    return max((dimension.size or 0 for dimension in dimensions if isinstance(dimension, Categorical)), default=0)


def _with_spread(
    method: str, shares: Mapping[str, float], resampled: Sequence[Mapping[str, float]], trials: int
) -> Importance:
    """The shares with their standard deviations and 95 % percentile intervals over the resamples."""
    spread = {key: np.array([estimate.get(key, 0.0) for estimate in resampled]) for key in shares}
    return Importance(
        method=method,
        means=shares,
        deviations={key: float(values.std(ddof=1)) for key, values in spread.items()},
        trials=trials,
        lows={key: float(np.percentile(values, 2.5)) for key, values in spread.items()},
        highs={key: float(np.percentile(values, 97.5)) for key, values in spread.items()},
    )


def _frozen_trial(results: Results, trial: Trial, epoch: int) -> FrozenTrial:
    """A trial for Optuna, complete with its value at `epoch`."""
    space = results.study.space
    params = encode(space, trial.parameters)
    kinds = {dimension.key: distribution(dimension) for dimension in space.dimensions if dimension.key in params}
    return create_trial(params=params, distributions=kinds, value=trial.curve[epoch])


class _Sample(optuna.Study):
    """An Optuna study of resampled trials. `add_trials` would take longer, as it copies each of them."""

    def __init__(self, trials: Sequence[FrozenTrial], direction: Goal) -> None:
        storage = InMemoryStorage()
        name = optuna.create_study(storage=storage, direction=direction).study_name
        super().__init__(study_name=name, storage=storage)
        self._sample = [copy.copy(trial) for trial in trials]
        for number, trial in enumerate(self._sample):
            trial.number = trial._trial_id = number  # a trial that was drawn twice counts as two

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """Return the resampled trials, which are all complete."""
        return self._sample


def _shares(trials: Sequence[FrozenTrial], direction: Goal, evaluator: BaseImportanceEvaluator) -> dict[str, float]:
    """The normalised importance by key; empty where the values do not vary."""
    # The import takes seconds, because it loads scikit-learn.
    from optuna.importance import get_param_importances

    if len({trial.value for trial in trials}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (ExperimentalWarning, UserWarning))
        shares = get_param_importances(_Sample(trials, direction), evaluator=evaluator)
    return {key: float(share) for key, share in shares.items()}
