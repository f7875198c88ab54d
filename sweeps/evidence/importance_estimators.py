"""Which searched settings the metric depends on: PED-ANOVA and fANOVA at one epoch, with bootstrap intervals.

PED-ANOVA (Watanabe, Bansal & Hutter, IJCAI 2023) asks what sets the good trials apart; fANOVA (Hutter, Hoos &
Leyton-Brown, ICML 2014) what share of a random forest's variance a setting explains. Both as Optuna implements them.
All trials that trained at least so long are taken at the same epoch: taking completed trials alone would leave out what
ASHA stopped. The intervals are percentiles over resampled trials.
"""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweeps.evidence.importance import Importance
from sweeps.formatting import count
from sweeps.pruners.base import Goal
from sweeps.space.distributions import distribution
from sweeps.space.encoding import encode
from sweeps.storage.results import Results
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Trial

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

MIN_TRIALS = 20  # with fewer the shares are noise, and loading the estimators takes seconds


@dataclass(frozen=True)
class Method:
    """An estimator of importance, and over how many resamples of the trials it is repeated.

    Of more than `most` trials as many are drawn at random: time grows with them, fANOVA's with their square.
    """

    name: str
    resamples: int
    most: int
    evaluator: Callable[[int], BaseImportanceEvaluator]


def _ped_anova(seed: int) -> BaseImportanceEvaluator:
    from optuna.importance import PedAnovaImportanceEvaluator

    return PedAnovaImportanceEvaluator()


def _fanova(seed: int) -> BaseImportanceEvaluator:
    # Few trees and resamples: with 60 trials of 6 settings one forest takes 0.15 s, PED-ANOVA 0.02 s.
    from optuna.importance import FanovaImportanceEvaluator

    return FanovaImportanceEvaluator(n_trees=16, seed=seed % 2**32)


PED_ANOVA = Method("PED-ANOVA", 40, 300, _ped_anova)
FANOVA = Method("fANOVA", 20, 100, _fanova)


def importance(results: Results) -> Importance | None:
    """PED-ANOVA's importance of each setting that all taken trials have; None below `MIN_TRIALS` comparable trials."""
    return _importance(results, PED_ANOVA)


def importances(results: Results) -> list[Importance]:
    """The importance by each method that the trials allow, PED-ANOVA first. They are exploratory: nothing is tested."""
    found = (_importance(results, method) for method in (PED_ANOVA, FANOVA))
    return [each for each in found if each is not None]


def _importance(results: Results, method: Method) -> Importance | None:
    epoch, trials = comparable(results)
    if len(trials) < MIN_TRIALS:
        return None
    seed = stream(results.study.seed, "importance")
    generator, evaluator = random.Random(seed), method.evaluator(seed)
    of = ""
    if len(trials) > method.most:
        of = f", {method.most:,} of {len(trials):,} trials drawn at random"
        trials = generator.sample(trials, method.most)
    told = [_told(results, trial, epoch) for trial in trials]
    direction = results.study.metric.goal
    point = _shares(told, direction, evaluator)
    if not point:
        return None
    resamples = (generator.choices(told, k=len(told)) for _ in range(method.resamples))
    found = [shares for sample in resamples if (shares := _shares(sample, direction, evaluator))]
    if len(found) < method.resamples // 2:
        return None
    spread = {key: np.array([shares.get(key, 0.0) for shares in found]) for key in point}
    return Importance(
        method=f"{method.name} on the metric after {count(epoch, 'epoch')}{of}",
        means=point,
        deviations={key: float(values.std(ddof=1)) for key, values in spread.items()},
        trials=len(trials),
        lows={key: float(np.percentile(values, 2.5)) for key, values in spread.items()},
        highs={key: float(np.percentile(values, 97.5)) for key, values in spread.items()},
    )


def comparable(results: Results) -> tuple[int, list[Trial]]:
    """The latest epoch that at least half of the trained trials (and `MIN_TRIALS`) reached, and those trials."""
    lengths = sorted((trial.epochs for trial in results.trials if trial.epochs), reverse=True)
    wanted = max(MIN_TRIALS, len(lengths) // 2)
    if len(lengths) < wanted:
        return 0, []
    epoch = lengths[wanted - 1]
    return epoch, [trial for trial in results.trials if epoch in trial.curve]


def _told(results: Results, trial: Trial, epoch: int) -> FrozenTrial:
    """A trial as Optuna knows it, complete with its value at `epoch`."""
    space = results.study.space
    params = encode(space, trial.parameters)
    kinds = {dimension.key: distribution(dimension) for dimension in space.dimensions if dimension.key in params}
    return create_trial(params=params, distributions=kinds, value=trial.curve[epoch])


class _Sample(optuna.Study):
    """A study of the given trials, some perhaps several times; adding them one by one would copy each."""

    def __init__(self, trials: Sequence[FrozenTrial], direction: Goal) -> None:
        storage = InMemoryStorage()
        name = optuna.create_study(storage=storage, direction=direction).study_name
        super().__init__(study_name=name, storage=storage)
        self._sample = [copy.copy(trial) for trial in trials]
        for number, trial in enumerate(self._sample):
            trial.number = trial._trial_id = number  # one that was drawn twice counts as two

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """The sample, whose trials are all complete."""
        return self._sample


def _shares(trials: Sequence[FrozenTrial], direction: Goal, evaluator: BaseImportanceEvaluator) -> dict[str, float]:
    """Normalised importance by key; empty where the values do not vary."""
    # Seconds to import, for scikit-learn comes with it.
    from optuna.importance import get_param_importances

    if len({trial.value for trial in trials}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (ExperimentalWarning, UserWarning))
        found = get_param_importances(_Sample(trials, direction), evaluator=evaluator)
    return {key: float(share) for key, share in found.items()}
