"""The process fitted to the trials of a search, and its predictions in the metric's units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sweeps.stats.goal import Goal, sign
from sweeps.surrogate.axes import Floats
from sweeps.surrogate.chain import Chain, Mixture
from sweeps.surrogate.curves import observations, progress_of
from sweeps.surrogate.features import Features
from sweeps.surrogate.observed import Observed, Quantiles, SurrogateSettings
from sweeps.surrogate.process import Data, Hyperparameters, Integers
from sweeps.surrogate.scores import NormalScores
from sweeps.surrogate.warm_start import Informed, Source, WarmStart
from sweeps.trial.seeds import stream

END = 1.0  # the progress at the end of training
FULL_CHAIN = 100  # observations beyond which the chain takes fewer steps: it has taken many by then
STEPS_ALONE = 300  # of a chain that does not go on from an earlier one
REACH = 1.533
"""The outer quantiles are so many deviations from the mean, as the 90 % quantile of a Student t with 4 degrees of
freedom: ends depart further from the mean than normal values do, as what is proposed is where least is known."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)  # for the mean of a function of a normal value


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted process. Scores are larger for better values.

    Attributes:
        posterior: The process.
        scores: The map between scores and values of the metric, of which larger ones are better.
        data: What it is fitted to, trials in training included, with the values that are expected of them.
        rows: Which trial each of the data's trials is.
        chain: Where the chain over the hyperparameters has come to.
        better: The factor between the metric and values of which larger ones are better.
    """

    posterior: Mixture | Informed
    scores: NormalScores
    data: Data
    rows: Integers
    chain: Chain
    better: float

    def ends(self, columns: Floats, trial: Integers | None = None) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the scores at the end; arguments as for `Posterior.predict`."""
        return self.posterior.predict(columns, END, trial)

    def best_expected(self) -> tuple[float, Integers]:
        """Return the score to improve on, and the data's trials from the one that is expected to end best on.

        The score is the best that was reached at the end, or the best of what a trial on its way is all but sure of:
        the mean less the deviation.
        """
        means, deviations = self.ends(self.data.columns, np.arange(len(self.rows)))
        reached = self.data.progress >= END
        ended = np.isin(np.arange(len(means)), self.data.trial[reached])
        order = np.argsort(-means, kind="stable")
        return float(max([*self.data.scores[reached], *(means - deviations)[~ended]])), order

    def places(self, trials: int) -> Integers:
        """Return the place in the data of each trial, -1 of one that is not there."""
        places = np.full(trials, -1, dtype=np.int64)
        places[self.rows] = np.arange(len(self.rows))
        return places

    def quantiles(self, mean: float, deviation: float) -> Quantiles:
        """Return the quantiles of a value in the metric's units, from mean and deviation of its score."""
        reach = REACH * self._spread(deviation)
        low, middle, high = sorted(self.better * self.scores.value(np.array([mean - reach, mean, mean + reach])))
        return float(low), float(middle), float(high)

    def mean(self, mean: float, deviation: float) -> float:
        """Return the mean of a value in the metric's units, from mean and deviation of its score."""
        values = self.scores.value(mean + self._spread(deviation) * _NODES)
        return float(self.better * (values @ _WEIGHTS) / _WEIGHTS.sum())

    def _spread(self, deviation: float) -> float:
        """The deviation of a value, noise included."""
        return float(np.hypot(deviation, np.sqrt(self.posterior.noise)))


class Surrogate:
    """The process of one search.

    Args:
        features: The space.
        epochs: The epochs of a full training.
        goal: Whether larger or smaller values of the metric are better.
        seed: The seed of the choice among too many observations.
        settings: How much it is fitted to, and how long.
        sources: Earlier searches that inform it.
    """

    def __init__(
        self,
        features: Features,
        epochs: int,
        goal: Goal,
        seed: int,
        settings: SurrogateSettings,
        sources: Sequence[Source] = (),
    ) -> None:
        self._features = features
        self._epochs = epochs
        self._better = sign(goal)
        self._seed = seed
        self._settings = settings
        self._prior = Hyperparameters(features.groups, features.dimensions)
        self._sources = sources

    @cached_property
    def warm_start(self) -> WarmStart:
        """What the sources say, fitted when it is first asked for."""
        return WarmStart(self._sources, self._features, self._epochs, self._better, self._prior, self._seed)

    def fit(
        self, trials: Sequence[Observed], state: Mapping[str, Any] | None, rng: np.random.Generator, alone: bool = False
    ) -> Fit | None:
        """Return the process fitted to the trials, those in training at their expected value; None without any value.

        Args:
            trials: The trials.
            state: Where the chain over the hyperparameters was; None: at its beginning.
            rng: Moves the chain.
            alone: Whether the chain is to find its way at once, and not over many proposals.
        """
        order = np.random.default_rng(stream(self._seed, "observations"))
        trial, epoch, values = observations(trials, self._better, self._settings.observations, order)
        if not len(values):
            return None
        scores = NormalScores(values)
        waiting = np.array([index for index, one in enumerate(trials) if _waiting(one)], dtype=np.int64)
        rows = np.union1d(trial, waiting)
        columns = self._features.columns(self._features.coordinates([trials[row].parameters for row in rows]))
        data = Data(columns, np.searchsorted(rows, trial), self._progress(epoch), scores.scores)
        prior_mean = self.warm_start.prior_mean(trials)
        data = data.raised(-prior_mean(columns[data.trial], data.progress)) if prior_mean else data
        samples = self._settings.samples
        steps = STEPS_ALONE if alone else self._steps(len(values))
        chain, posterior = Chain.of(state, self._prior).advanced(self._prior, data, max(steps, samples), samples, rng)
        if len(waiting):
            until = np.array([trials[index].until for index in waiting], dtype=np.int64)
            data = _believed(data, posterior, np.searchsorted(rows, waiting), self._progress(until))
            posterior = posterior.given(data)
        if prior_mean is None:
            return Fit(posterior, scores, data, rows, chain, self._better)
        data = data.raised(prior_mean(columns[data.trial], data.progress))
        return Fit(Informed(posterior, prior_mean), scores, data, rows, chain, self._better)

    def _steps(self, count: int) -> int:
        """The steps of the chain with `count` observations: a step takes the longer the more there are."""
        return math.ceil(self._settings.chain_steps * math.pow(min(1.0, FULL_CHAIN / count), 1.5))

    def _progress(self, epochs: Integers) -> Floats:
        return np.array([progress_of(int(epoch), self._epochs) for epoch in epochs], dtype=float)


def _waiting(trial: Observed) -> bool:
    """Whether a trial is in training and has not come to where it is to be trained to."""
    return trial.until is not None and max(trial.curve, default=0) < trial.until


def _believed(data: Data, posterior: Mixture, places: Integers, progress: Floats) -> Data:
    """The data with the expected values of trials in training at the progress that they train to."""
    for reached in np.unique(progress):
        chosen = places[progress == reached]
        mean, _ = posterior.predict(data.columns[chosen], float(reached), chosen)
        data = data.extended(chosen, np.full(len(chosen), reached), mean)
    return data
