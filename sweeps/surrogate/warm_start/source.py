"""An earlier search, and its opinion of configurations: a process fitted to its curves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.surrogate.axes import ABSENT, Floats
from sweeps.surrogate.chain import Chain, Mixture
from sweeps.surrogate.curves import observations, progress_of
from sweeps.surrogate.features import Features
from sweeps.surrogate.observed import Observed
from sweeps.surrogate.process import Data, Hyperparameters, Integers
from sweeps.surrogate.scores import NormalScores

OBSERVATIONS = 150  # the most values that the process of a source is fitted to
STEPS, SAMPLES = 120, 3  # of the chain over its hyperparameters
BEST = 5  # the trials of a source around which candidates are made


@dataclass(frozen=True)
class Source:
    """The search of an earlier study, in the terms of the search at hand.

    Attributes:
        trials: Its trials that have ended.
        missing: The dimensions that it says nothing about. No distance is measured along them.
    """

    trials: Sequence[Observed]
    missing: Collection[str] = ()


@dataclass(frozen=True)
class Opinion:
    """The process of one source.

    Attributes:
        posterior: The process.
        columns: The columns of its trials.
        without: The columns along which it measures no distance.
        best: The coordinates of its best trials.
    """

    posterior: Mixture
    columns: Floats
    without: Integers
    best: Floats

    def of(self, columns: Floats, progress: Floats) -> Floats:
        """Return how much better than its own trials it expects configurations to be, in standard deviations."""
        columns = columns.copy()
        columns[:, self.without] = ABSENT
        opinion = np.empty(len(columns))
        for place in np.unique(progress):
            own, _ = self.posterior.predict(self.columns, float(place))
            here = progress == place
            expected, _ = self.posterior.predict(columns[here], float(place))
            opinion[here] = (expected - own.mean()) / max(float(own.std()), 1e-6)
        return opinion


def opinion_of(
    source: Source, features: Features, epochs: int, better: float, prior: Hyperparameters, seed: int
) -> Opinion | None:
    """Return the opinion of a source; None if it has no finite value.

    Args:
        source: The source.
        features: The space of the search at hand.
        epochs: The epochs of a full training there, and in the source's curves.
        better: The factor that makes a larger value the better one.
        prior: The prior of the hyperparameters.
        seed: The seed of the chain.
    """
    rng = np.random.default_rng(seed)
    trial, epoch, values = observations(source.trials, better, OBSERVATIONS, rng)
    if not len(values):
        return None
    rows = np.unique(trial)
    coordinates = features.coordinates([source.trials[row].parameters for row in rows])
    columns = features.columns(coordinates)
    unknown = [place for place, axis in enumerate(features.axes) if axis.dimension.key in source.missing]
    without = np.flatnonzero(np.isin(features.groups, unknown))
    columns[:, without] = ABSENT
    progress = np.array([progress_of(int(one), epochs) for one in epoch])
    data = Data(columns, np.searchsorted(rows, trial), progress, NormalScores(values).scores)
    _, posterior = Chain.of(None, prior).advanced(prior, data, STEPS, SAMPLES, rng)
    ends, _ = posterior.predict(columns, 1.0, np.arange(len(rows)))
    return Opinion(posterior, columns, without, coordinates[np.argsort(-ends, kind="stable")[:BEST]])
