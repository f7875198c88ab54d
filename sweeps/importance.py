"""Which searched settings the metric depends on: PED-ANOVA over trials at one epoch, with bootstrap intervals.

Watanabe et al., "PED-ANOVA" (IJCAI 2023), as Optuna implements it. All trials that trained at least so long are taken
at the same epoch: taking completed trials alone would leave out what ASHA stopped.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning

from sweeps.codec import encode
from sweeps.report.importance import Importance
from sweeps.results import Results
from sweeps.sampler import distribution
from sweeps.trial import Trial, stream
from sweeps.words import count

MIN_TRIALS = 10
RESAMPLES = 40


def importance(results: Results) -> Importance | None:
    """The importance of each setting that all taken trials have; None below `MIN_TRIALS` comparable trials."""
    epoch, trials = comparable(results)
    if len(trials) < MIN_TRIALS:
        return None
    generator = random.Random(stream(results.study.seed, "importance"))
    resamples = [generator.choices(trials, k=len(trials)) for _ in range(RESAMPLES)]
    found = [shares for sample in resamples if (shares := _shares(results, sample, epoch))]
    point = _shares(results, trials, epoch)
    if not point or len(found) < RESAMPLES // 2:
        return None
    deviations = {key: float(np.std([shares.get(key, 0.0) for shares in found], ddof=1)) for key in point}
    method = f"PED-ANOVA on the metric after {count(epoch, 'epoch')}"
    return Importance(method=method, means=point, deviations=deviations, trials=len(trials))


def comparable(results: Results) -> tuple[int, list[Trial]]:
    """The latest epoch that at least half of the trained trials (and `MIN_TRIALS`) reached, and those trials."""
    lengths = sorted((trial.epochs for trial in results.trials if trial.epochs), reverse=True)
    wanted = max(MIN_TRIALS, len(lengths) // 2)
    if len(lengths) < wanted:
        return 0, []
    epoch = lengths[wanted - 1]
    return epoch, [trial for trial in results.trials if epoch in trial.curve]


def _shares(results: Results, trials: Sequence[Trial], epoch: int) -> dict[str, float]:
    """Normalised importance by key; empty where the values do not vary."""
    # Seconds to import, for scikit-learn comes with it.
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    values = [trial.curve[epoch] for trial in trials]
    if len(set(values)) < 2:
        return {}
    space = results.study.space
    distributions = {dimension.key: distribution(dimension) for dimension in space.dimensions}
    study = optuna.create_study(direction=results.study.metric.goal)
    for trial, value in zip(trials, values, strict=True):
        params = encode(space, trial.parameters)
        kinds = {key: distributions[key] for key in params}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=kinds, value=value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (ExperimentalWarning, UserWarning))
        return dict(get_param_importances(study, evaluator=PedAnovaImportanceEvaluator()))
