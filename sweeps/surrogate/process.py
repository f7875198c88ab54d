"""A Gaussian process over (configuration, progress of training).

With M the Matérn-5/2 covariance of two configurations, d the distance of their progress and s = 1 within one trial:
`a·M + b·M·exp(-d / l) + c·s·exp(-d / l')`, a constant and a trend in progress. So trials of like configurations have
like levels (a) and like curves (b), and each curve departs from that in a way of its own (c).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from sweeps.surrogate.axes import Floats

LEVEL, TREND = 1.0, 2.0  # the prior variances of the constant and of the slope of the trend
JITTER = 1e-6
USUAL_DIMENSIONS = 8  # beyond, length scales are longer, so that no configuration is far from all others

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Data:
    """What a process is fitted to.

    Attributes:
        columns: The columns of the configuration of each trial, (trials, columns).
        trial: The trial of each observation, (n,).
        progress: The progress of training of each observation, from 0 at epoch 1 to 1 at the end, (n,).
        scores: What was observed, (n,).
    """

    columns: Floats
    trial: Integers
    progress: Floats
    scores: Floats

    @cached_property
    def grid(self) -> tuple[Floats, Integers]:
        """The distinct progresses, and the place among them of each observation."""
        distinct, place = np.unique(self.progress, return_inverse=True)
        return distinct, place

    @cached_property
    def same(self) -> Floats:
        """1 for each two observations of one trial, (n, n)."""
        return np.equal(self.trial[:, None], self.trial[None, :]).astype(float)

    def raised(self, scores: Floats) -> Data:
        """Return the data with these added to its scores."""
        return Data(self.columns, self.trial, self.progress, self.scores + scores)

    def extended(self, trial: Integers, progress: Floats, scores: Floats) -> Data:
        """Return the data with further observations of known trials."""
        return Data(
            self.columns,
            np.concatenate([self.trial, trial]),
            np.concatenate([self.progress, progress]),
            np.concatenate([self.scores, scores]),
        )


class Hyperparameters:
    """The prior over the logarithms of the length scales, the variances and the noise.

    Args:
        groups: The dimension of each column, with which it shares a length scale.
        dimensions: The number of dimensions.
    """

    def __init__(self, groups: Integers, dimensions: int) -> None:
        self.groups = groups
        self.dimensions = dimensions
        length = 0.7 * math.sqrt(max(1.0, dimensions / USUAL_DIMENSIONS))
        # the length scales; a, b, c; l, l'; the noise
        centre = [*[math.log(length)] * dimensions, 0.0, -1.0, -2.0, math.log(0.7), math.log(0.7), math.log(0.02)]
        self.centre: Floats = np.array(centre)
        self.deviation: Floats = np.array([*[0.8] * dimensions, 0.5, 0.8, 0.8, 0.5, 0.5, 1.0])

    def log_density(self, values: Floats) -> float:
        """Return the logarithm of the prior density, up to a constant."""
        return float(-0.5 * (((values - self.centre) / self.deviation) ** 2).sum())

    def matern(self, values: Floats, left: Floats, right: Floats) -> Floats:
        """Return the Matérn-5/2 covariance of the configurations `left` (m, columns) and `right` (n, columns)."""
        weights = np.exp(-values[: self.dimensions])[self.groups]
        left, right = left * weights, right * weights
        squares = (left**2).sum(1)[:, None] + (right**2).sum(1)[None, :] - 2.0 * left @ right.T
        distance = np.sqrt(5.0 * np.maximum(squares, 0.0))
        return np.asarray((1.0 + distance + distance**2 / 3.0) * np.exp(-distance))

    def over_progress(self, values: Floats, left: Floats, right: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the factors of the covariance that depend on progress: of M, of `same`, and what is added."""
        a, b, c, shared_length, own_length, _ = np.exp(values[self.dimensions :])
        distance = np.abs(left[:, None] - right[None, :])
        of_configuration = a + b * np.exp(-distance / shared_length)
        of_trial = c * np.exp(-distance / own_length)
        return of_configuration, of_trial, LEVEL + TREND * left[:, None] * right[None, :]

    def variance(self, values: Floats, progress: float) -> float:
        """Return the prior variance of a configuration's value at a progress."""
        return float(np.exp(values[self.dimensions : self.dimensions + 3]).sum() + LEVEL + TREND * progress**2)

    def noise(self, values: Floats) -> float:
        """Return the variance of a value around the process."""
        return float(np.exp(values[-1]))


class Posterior:
    """A process conditioned on data, with one set of hyperparameters.

    Args:
        prior: The prior of the hyperparameters.
        values: The hyperparameters.
        data: At least one observation.

    Raises:
        LinAlgError: The covariance is not positive definite in floating point.
    """

    def __init__(self, prior: Hyperparameters, values: Floats, data: Data) -> None:
        self._prior, self._data = prior, data
        self.values = values
        self.noise = prior.noise(values)
        covariance = self._covariance()
        covariance[np.diag_indices_from(covariance)] += self.noise + JITTER
        self._factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        self._residual = solve_triangular(self._factor, data.scores, lower=True, check_finite=False)
        likelihood = -0.5 * self._residual @ self._residual - np.log(np.diag(self._factor)).sum()
        self.log_density = float(likelihood) + prior.log_density(values)
        """The logarithm of the posterior density of the hyperparameters, up to a constant."""

    def given(self, data: Data) -> Posterior:
        """Return the process with the same hyperparameters conditioned on other data."""
        return Posterior(self._prior, self.values, data)

    def predict(self, columns: Floats, progress: float, trial: Integers | None = None) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the process, without noise, (m,) each.

        Args:
            columns: The configurations, (m, columns).
            progress: The progress of training at which to predict.
            trial: The trial of the data that each continues; by default none does.
        """
        prior, data = self._prior, self._data
        distinct, place = data.grid
        of_configuration, of_trial, added = (
            part[0].take(place) for part in prior.over_progress(self.values, np.array([progress]), distinct)
        )
        cross = prior.matern(self.values, columns, data.columns).take(data.trial, axis=1) * of_configuration + added
        if trial is not None:
            cross += np.equal(trial[:, None], data.trial[None, :]) * of_trial
        solved = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        variance = prior.variance(self.values, progress) - (solved**2).sum(0)
        return solved.T @ self._residual, np.sqrt(np.maximum(variance, 1e-9))

    def _covariance(self) -> Floats:
        prior, data = self._prior, self._data
        distinct, place = data.grid
        of_configuration, of_trial, added = (
            part.take(place, axis=0).take(place, axis=1)
            for part in prior.over_progress(self.values, distinct, distinct)
        )
        matern = prior.matern(self.values, data.columns, data.columns)
        covariance = matern.take(data.trial, axis=0).take(data.trial, axis=1)
        covariance *= of_configuration
        of_trial *= data.same
        covariance += of_trial
        covariance += added
        return covariance
