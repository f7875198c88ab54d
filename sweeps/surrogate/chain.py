"""The Metropolis chain over the hyperparameters, and what the places that it came by predict together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError

from sweeps.surrogate.axes import Floats
from sweeps.surrogate.process import Data, Hyperparameters, Integers, Posterior

FIRST_STEP, SMALLEST_STEP, LARGEST_STEP = 0.3, 0.05, 1.0  # in standard deviations of the prior
GROWS, SHRINKS = 1.1, 0.97  # so that about a quarter of the steps is accepted
CHANGED = 0.4  # the share of the hyperparameters that a step changes
DIGITS = 4  # of what is recorded


@dataclass(frozen=True, eq=False)
class Mixture:
    """Posteriors with several hyperparameters, of equal weight: what is not known of these widens the predictions."""

    parts: tuple[Posterior, ...]

    @property
    def noise(self) -> float:
        """The variance of a value around the process."""
        return sum(part.noise for part in self.parts) / len(self.parts)

    def predict(self, columns: Floats, progress: float, trial: Integers | None = None) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the process, (m,) each; arguments as for `Posterior.predict`."""
        predicted = [part.predict(columns, progress, trial) for part in self.parts]
        means = np.stack([mean for mean, _ in predicted])
        variances = np.stack([deviation**2 for _, deviation in predicted])
        return means.mean(0), np.sqrt(variances.mean(0) + means.var(0))

    def given(self, data: Data) -> Mixture:
        """Return the mixture conditioned on other data."""
        return Mixture(tuple(part.given(data) for part in self.parts))


@dataclass(frozen=True, eq=False)
class Chain:
    """Where the chain is.

    Attributes:
        values: The hyperparameters.
        step: The size of a step, in standard deviations of the prior; it adapts.
    """

    values: Floats
    step: float = FIRST_STEP

    @classmethod
    def of(cls, state: Mapping[str, Any] | None, prior: Hyperparameters) -> Chain:
        """Return the chain at a recorded state; at the middle of the prior without one, or where it is of another."""
        if state is None or len(state["values"]) != len(prior.centre):
            return cls(prior.centre)
        return cls(np.array(state["values"], dtype=float), float(state["step"]))

    @property
    def state(self) -> dict[str, Any]:
        """The chain as plain JSON."""
        return {"values": [round(float(value), DIGITS) for value in self.values], "step": round(self.step, DIGITS)}

    def advanced(
        self, prior: Hyperparameters, data: Data, steps: int, samples: int, rng: np.random.Generator
    ) -> tuple[Chain, Mixture]:
        """Return the chain after some steps, and what `samples` evenly spaced places on the way predict."""
        values, step = self.values, self.step
        current = _posterior(prior, values, data) or Posterior(prior, prior.centre, data)
        parts: list[Posterior] = []
        for taken in range(1, steps + 1):
            changed = rng.random(len(values)) < CHANGED
            proposed = current.values + step * prior.deviation * rng.standard_normal(len(values)) * changed
            candidate = _posterior(prior, proposed, data)
            chance = math.log(max(rng.random(), 1e-300))
            if candidate is not None and chance < candidate.log_density - current.log_density:
                current, step = candidate, min(LARGEST_STEP, step * GROWS)
            else:
                step = max(SMALLEST_STEP, step * SHRINKS)
            if taken * samples // steps > len(parts):
                parts.append(current)
        return Chain(current.values, step), Mixture(tuple(parts))


def _posterior(prior: Hyperparameters, values: Floats, data: Data) -> Posterior | None:
    """The posterior; None where its covariance is singular in floating point."""
    try:
        return Posterior(prior, values, data)
    except LinAlgError:
        return None
