"""Propose what to train next, and predict how every trial would end."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sweeps.space.encoding import identity
from sweeps.space.space import Space
from sweeps.stats.goal import Goal
from sweeps.surrogate.axes import Floats
from sweeps.surrogate.features import Features
from sweeps.surrogate.fit import Fit, Surrogate
from sweeps.surrogate.improvement import log_expected_improvement
from sweeps.surrogate.observed import By, End, Observed, Proposal, SurrogateSettings
from sweeps.surrogate.pool import Accepts, Pool
from sweeps.surrogate.threads import on_one_core
from sweeps.surrogate.warm_start import Source
from sweeps.trial.seeds import stream

Cost = Callable[[Mapping[str, Any]], float]

MOST_START = 12  # trials before the model is asked, however many dimensions there are
FEWEST_VALUES = 3  # trials with a value before the model is asked
BEST = 5  # the trials around which candidates are made
SHOWN = 5  # the candidates that a proposal records
WEIGHED = 20  # the candidates that promise most, of which the cost is asked


class Proposer:
    """Propose configurations by expected improvement at the end of training per expected cost.

    It keeps no state that a proposal depends on: the same arguments give the same proposal, in a new object too.

    Args:
        space: The space to search.
        epochs: The epochs of a full training.
        goal: Whether larger or smaller values of the metric are better.
        seed: The seed of everything random.
        settings: What was settled by experiment.
        sources: Earlier searches that inform this one.
    """

    def __init__(
        self,
        space: Space,
        epochs: int,
        goal: Goal,
        seed: int,
        settings: SurrogateSettings | None = None,
        sources: Sequence[Source] = (),
    ) -> None:
        self._settings = settings or SurrogateSettings()
        self._seed = seed
        self._features = Features(space)
        self._pool = Pool(self._features, self._settings)
        self._surrogate = Surrogate(self._features, epochs, goal, seed, self._settings, sources)
        self._informed = bool(sources)

    @property
    def start(self) -> int:
        """The number of trials before the model is asked. With sources they need only show how far these are right."""
        if self._settings.start is None and self._informed:
            return FEWEST_VALUES
        return self._settings.start or min(self._features.dimensions + 2, MOST_START)

    @on_one_core
    def propose(
        self,
        trials: Sequence[Observed],
        number: int,
        accepts: Accepts,
        cost: Cost,
        state: Mapping[str, Any] | None = None,
    ) -> Proposal:
        """Return the configuration to train next.

        Args:
            trials: All trials so far, in the order of their numbers, refused ones included: none is proposed again.
            number: The number of the proposal. It seeds what is random and says whose turn it is.
            accepts: Whether a configuration may be trained. Asked from the most promising candidate on, until `WEIGHED`
                are accepted; without a model, until one is.
            cost: What an epoch of a configuration costs, in any unit; above 0.
            state: The state of the last proposal that had one.

        Raises:
            LookupError: Every configuration was tried or is refused, as far as many draws can tell.
        """
        rng = np.random.default_rng(stream(self._seed, "proposal", number))
        tried = {trial.identity for trial in trials}
        by = self._turn(trials, number)
        if by == "model" and (fit := self._surrogate.fit(trials, state, rng)) is not None:
            state = fit.chain.state
            if weighed := self._weighed(fit, trials, tried, accepts, cost, rng):
                shown = tuple({**one, "predicted": list(one["predicted"])} for one in weighed[:SHOWN])
                best = weighed[0]
                return Proposal(best["parameters"], "model", best["predicted"], best["cost"], shown, state)
        parameters = self._drawn(by, number, tried, accepts, rng)
        return Proposal(parameters, "start" if by == "start" else "random", None, cost(parameters), (), state)

    @on_one_core
    def posterior(self, trials: Sequence[Observed], state: Mapping[str, Any] | None = None) -> list[End]:
        """Return how each trial is expected to end; nothing if no trial has a value.

        Args:
            trials: The trials.
            state: The state of the last proposal; without one, hyperparameters are found from the trials alone.
        """
        rng = np.random.default_rng(stream(self._seed, "posterior"))
        fit = self._surrogate.fit(trials, state, rng, alone=state is None)
        if fit is None:
            return []
        columns = self._features.columns(self._features.coordinates([trial.parameters for trial in trials]))
        ends = zip(*fit.ends(columns, fit.places(len(trials))), strict=True)
        return [End(fit.mean(mean, deviation), fit.quantiles(mean, deviation)) for mean, deviation in ends]

    def _turn(self, trials: Sequence[Observed], number: int) -> By:
        """Whose turn a proposal is."""
        if len(trials) < self.start or sum(bool(trial.curve) for trial in trials) < FEWEST_VALUES:
            return "start"
        every = self._settings.random_every
        return "random" if every and number % every == every - 1 else "model"

    def _weighed(
        self,
        fit: Fit,
        trials: Sequence[Observed],
        tried: Collection[str],
        accepts: Accepts,
        cost: Cost,
        rng: np.random.Generator,
    ) -> list[dict[str, Any]]:
        """The acceptable candidates that were weighed, that of the best score first; none if none is acceptable."""
        threshold, order = fit.best_expected()
        best = self._features.coordinates([trials[fit.rows[place]].parameters for place in order[:BEST]])
        candidates = self._pool.weighed(np.concatenate([best, self._surrogate.warm_start.best]), tried, rng)
        means, deviations = fit.ends(self._features.columns(candidates))
        improvement = log_expected_improvement(means, deviations, threshold)
        weighed: list[dict[str, Any]] = []
        promising = self._acceptable(candidates, improvement, tried, accepts)
        for parameters, place in itertools.islice(promising, WEIGHED):
            price = cost(parameters)
            predicted = fit.quantiles(means[place], deviations[place])
            score = float(improvement[place]) - self._settings.cost_exponent * math.log(price)
            weighed.append({"parameters": parameters, "predicted": predicted, "cost": price, "score": score})
        return sorted(weighed, key=lambda one: -float(one["score"]))

    def _acceptable(
        self, candidates: Floats, scores: Floats, tried: Collection[str], accepts: Accepts
    ) -> Iterator[tuple[dict[str, Any], int]]:
        """The untried candidates that are accepted, each with its place, that of the best score first."""
        for place in np.argsort(-scores, kind="stable"):
            parameters = self._features.configuration(candidates[place])
            if identity(parameters) not in tried and accepts(parameters):
                yield parameters, int(place)

    def _drawn(
        self, by: By, number: int, tried: Collection[str], accepts: Accepts, rng: np.random.Generator
    ) -> dict[str, Any]:
        """An acceptable untried configuration: the start's, or else a random one."""
        for parameters in self._order(by, number, tried, rng):
            if identity(parameters) not in tried and accepts(parameters):
                return parameters
        raise LookupError("every configuration was tried or is refused")

    def _order(self, by: By, number: int, tried: Collection[str], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
        if by == "start":
            place = self._pool.start(self.start, number, stream(self._seed, "start"))
            yield self._features.configuration(place[0])
        yield from self._pool.drawn(tried, rng)
