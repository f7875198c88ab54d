"""The prior mean of a search's process: the opinions of earlier searches, each by how far the search agrees with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.surrogate.axes import Floats
from sweeps.surrogate.chain import Mixture
from sweeps.surrogate.curves import progress_of
from sweeps.surrogate.features import Features
from sweeps.surrogate.observed import Observed
from sweeps.surrogate.process import Hyperparameters, Integers
from sweeps.surrogate.warm_start.source import Source, opinion_of
from sweeps.trial.seeds import stream

TRUST, TRUSTED_TRIALS = 0.6, 3.0  # the correlation that is expected of a source, and how many trials that is worth
MOST_COMPARED = 60  # of the trials of the search at hand, the latest

PriorMean = Callable[[Floats, Floats], Floats]
"""From the columns (n, columns) and the progress (n,) of configurations to the mean expected of their scores, (n,)."""


class WarmStart:
    """The opinions of sources.

    Args:
        sources: The sources; those without a finite value are left out.
        features: The space of the search at hand.
        epochs: The epochs of a full training there, and in the curves of the sources.
        better: The factor that makes a larger value the better one.
        prior: The prior of the hyperparameters.
        seed: The seed of the chains.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        features: Features,
        epochs: int,
        better: float,
        prior: Hyperparameters,
        seed: int,
    ) -> None:
        self._features, self._epochs, self._better = features, epochs, better
        fitted = [
            opinion_of(source, features, epochs, better, prior, stream(seed, "source", place))
            for place, source in enumerate(sources)
        ]
        self._opinions = [opinion for opinion in fitted if opinion is not None]

    @property
    def best(self) -> Floats:
        """The coordinates of the best trials of the sources, (k, dimensions)."""
        return np.concatenate([np.zeros((0, self._features.dimensions)), *(each.best for each in self._opinions)])

    def weights(self, trials: Sequence[Observed]) -> list[float]:
        """Return the weight of each source, given the trials of the search at hand."""
        return [self._weight(trials, opinion.of) for opinion in self._opinions]

    def prior_mean(self, trials: Sequence[Observed]) -> PriorMean | None:
        """Return the prior mean of the process, given the trials of the search at hand; None if no source has a say."""
        weighted = [
            (weight, opinion.of)
            for weight, opinion in zip(self.weights(trials), self._opinions, strict=True)
            if weight > 0
        ]
        if not weighted:
            return None
        total = sum(weight for weight, _ in weighted)

        def together(columns: Floats, progress: Floats) -> Floats:
            return np.asarray(sum(weight * of(columns, progress) for weight, of in weighted) / total)

        # What several sources say together may be better, or no better, than what each of them says.
        factor = self._weight(trials, together) if len(weighted) > 1 else total
        return lambda columns, progress: factor * together(columns, progress)

    def _weight(self, trials: Sequence[Observed], opinion: PriorMean) -> float:
        """The rank correlation of an opinion with the measured values, drawn towards `TRUST` while they are few."""
        measured = [trial for trial in trials if trial.curve][-MOST_COMPARED:]
        agreement, pairs = 0.0, 0
        compared = np.zeros((len(measured), len(measured)), dtype=bool)
        columns = self._features.columns(self._features.coordinates([trial.parameters for trial in measured]))
        for epoch in sorted({epoch for trial in measured for epoch in trial.curve}, reverse=True):
            there = np.array([index for index, trial in enumerate(measured) if epoch in trial.curve])
            progress = np.full(len(there), progress_of(epoch, self._epochs))
            values = self._better * np.array([measured[index].curve[epoch] for index in there])
            values = np.where(np.isfinite(values), values, -np.inf)
            measured_order = _order(values)
            order = _order(opinion(columns[there], progress)) * measured_order
            new = np.triu(~compared[np.ix_(there, there)] & (measured_order != 0), 1)  # equal values say nothing
            agreement, pairs = agreement + float(order[new].sum()), pairs + int(new.sum())
            compared[np.ix_(there, there)] = True
        correlation = math.sin(math.pi / 2 * agreement / pairs) if pairs else 0.0
        n = len(measured) if pairs else 0
        return max(0.0, (n * correlation + TRUSTED_TRIALS * TRUST) / (n + TRUSTED_TRIALS))


@dataclass(frozen=True, eq=False)
class Informed:
    """A process fitted to what is left of the scores without their prior mean.

    Attributes:
        rest: The process.
        prior_mean: The prior mean.
    """

    rest: Mixture
    prior_mean: PriorMean

    @property
    def noise(self) -> float:
        """The variance of a value around the process."""
        return self.rest.noise

    def predict(self, columns: Floats, progress: float, trial: Integers | None = None) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the process, (m,) each; arguments as for `Posterior.predict`."""
        mean, deviation = self.rest.predict(columns, progress, trial)
        return mean + self.prior_mean(columns, np.full(len(columns), progress)), deviation


def _order(values: Floats) -> Floats:
    """1 where the first of two values is larger, -1 where it is smaller, (n, n)."""
    return np.sign(np.subtract.outer(values, values)) if np.isfinite(values).all() else _order(_ranks(values))


def _ranks(values: Floats) -> Floats:
    return np.searchsorted(np.sort(values), values).astype(float)
