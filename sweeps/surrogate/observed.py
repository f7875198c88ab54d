"""What the surrogate is told of a search, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from sweeps.space.encoding import identity

By = Literal["start", "model", "random"]
"""Where a proposal comes from: the design at the beginning, the surrogate, or a random draw."""

Quantiles = tuple[float, float, float]
"""The 10, 50 and 90 % quantiles of a value of the metric: ascending in the metric, whatever its goal."""


@dataclass(frozen=True)
class Observed:
    """One trial.

    Attributes:
        parameters: Its configuration.
        curve: The metric by epoch, from 1. A value that is not finite counts as the worst of all.
        until: The epoch up to which it is being trained now; None if it is not.
    """

    parameters: Mapping[str, Any]
    curve: Mapping[int, float]
    until: int | None = None

    @cached_property
    def identity(self) -> str:
        """The same text for equal configurations. Computed once: a search asks it of every trial, again and again."""
        return identity(self.parameters)


@dataclass(frozen=True)
class Proposal:
    """A configuration to train next.

    Attributes:
        parameters: The configuration.
        by: Where it comes from.
        predicted: The metric expected at the end of training; None if no model was asked.
        cost: What an epoch of it costs, as the caller counts.
        candidates: The best configurations that were weighed, this one first, each with its parameters, predicted end,
            cost and score. Plain JSON. Empty if no model was asked.
        state: The surrogate's hyperparameters as plain JSON, for the next proposal; None before the model is in use.
    """

    parameters: dict[str, Any]
    by: By
    predicted: Quantiles | None
    cost: float
    candidates: tuple[Mapping[str, Any], ...]
    state: Mapping[str, Any] | None


@dataclass(frozen=True)
class End:
    """The value of the metric that a trial is expected to have at the end of training, in the metric's units."""

    mean: float
    quantiles: Quantiles


@dataclass(frozen=True)
class SurrogateSettings:
    """What was settled by experiment.

    Attributes:
        start: The trials before the model is asked; None: two more than the space has dimensions, at most 12.
        random_every: One proposal in so many is a random draw, so that a wrong model cannot mislead the search.
        draws: The random configurations that a proposal weighs.
        near: The variations of the best trials that a proposal weighs.
        cells: A finite space with at most so many configurations is listed, so that all of it can be tried.
        observations: The largest number of values that the process is fitted to.
        chain_steps: The Metropolis steps over the hyperparameters of a proposal; fewer with many observations.
        samples: How many hyperparameters on the way the predictions are averaged over.
        cost_exponent: The power of a candidate's cost by which its expected improvement is divided. With 1, the search
            stays among cheap configurations.
    """

    start: int | None = None
    random_every: int = 4
    draws: int = 200
    near: int = 100
    cells: int = 10_000
    observations: int = 300
    chain_steps: int = 40
    samples: int = 4
    cost_exponent: float = 0.5
