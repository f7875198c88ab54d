"""Propose what to train next, and predict how every trial would end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweeps.space.encoding import identity
from sweeps.space.space import Space
from sweeps.stats.goal import Goal, sign
from sweeps.surrogate.axes import Floats
from sweeps.surrogate.chain import Chain, Mixture
from sweeps.surrogate.curves import observations, progress_of
from sweeps.surrogate.features import Features
from sweeps.surrogate.improvement import log_expected_improvement
from sweeps.surrogate.observed import By, End, Observed, Proposal, Quantiles, SurrogateSettings
from sweeps.surrogate.pool import Accepts, Pool
from sweeps.surrogate.process import Data, Hyperparameters, Integers
from sweeps.surrogate.scores import NormalScores
from sweeps.trial.seeds import stream

Cost = Callable[[Mapping[str, Any]], float]

MOST_START = 12  # trials before the model is asked, however many dimensions there are
FEWEST_VALUES = 3  # trials with a value before the model is asked
BEST = 5  # the trials around which candidates are made
SHOWN = 5  # the candidates that a proposal records
WEIGHED_BY_COST = 20  # the best candidates of which the cost is asked
FULL_CHAIN = 100  # observations beyond which the chain takes fewer steps: it has taken many by then
STEPS_ALONE = 300  # of a chain without a state
NORMAL_90 = 1.2815515655446004  # the 90 % quantile of a standard normal
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)  # for the mean of a function of a normal value


@dataclass(frozen=True, eq=False)
class _Fit:
    """The process fitted to the trials, with the map between its scores and the metric."""

    posterior: Mixture
    scores: NormalScores
    data: Data
    rows: Integers  # the trial of each of the data's trials
    chain: Chain
    better: float

    def local(self, trials: int) -> Integers:
        """The place in the data of each trial, -1 without one."""
        place = np.full(trials, -1, dtype=np.int64)
        place[self.rows] = np.arange(len(self.rows))
        return place

    def quantiles(self, mean: float, deviation: float) -> Quantiles:
        """The quantiles of a value in the metric's units."""
        spread = NORMAL_90 * float(np.hypot(deviation, np.sqrt(self.posterior.noise)))
        low, middle, high = sorted(self.better * self.scores.value(np.array([mean - spread, mean, mean + spread])))
        return float(low), float(middle), float(high)

    def mean(self, mean: float, deviation: float) -> float:
        """The mean of a value in the metric's units."""
        values = self.scores.value(mean + float(np.hypot(deviation, np.sqrt(self.posterior.noise))) * _NODES)
        return float(self.better * (values @ _WEIGHTS) / _WEIGHTS.sum())


class Proposer:
    """Propose configurations by expected improvement at the end of training.

    It keeps no state that a proposal depends on: the same arguments give the same proposal, in a new object too.

    Args:
        space: The space to search.
        epochs: The epochs of a full training.
        goal: Whether larger or smaller values of the metric are better.
        seed: The seed of everything random.
        settings: What was settled by experiment.
    """

    def __init__(
        self, space: Space, epochs: int, goal: Goal, seed: int, settings: SurrogateSettings | None = None
    ) -> None:
        self._settings = settings or SurrogateSettings()
        self._epochs = epochs
        self._better = sign(goal)
        self._seed = seed
        self._features = Features(space)
        self._pool = Pool(self._features, self._settings)
        self._prior = Hyperparameters(self._features.groups, self._features.dimensions)

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
            accepts: Whether a configuration may be trained. Asked from the best candidate on, until one is accepted.
            cost: What an epoch of a configuration costs, in any unit; above 0.
            state: The state of the last proposal that had one.

        Raises:
            LookupError: Every configuration was tried or is refused, as far as many draws can tell.
        """
        rng = np.random.default_rng(stream(self._seed, "proposal", number))
        tried = {identity(trial.parameters) for trial in trials}
        by = self._turn(trials, number)
        if by == "model" and (fit := self._fit(trials, Chain.of(state, self._prior), rng)) is not None:
            state = fit.chain.state
            proposal = self._weighed(fit, trials, tried, accepts, cost, rng)
            if proposal is not None:
                return proposal
        parameters = self._drawn(by, number, tried, accepts, rng)
        return Proposal(parameters, "start" if by == "start" else "random", None, cost(parameters), (), state)

    def posterior(self, trials: Sequence[Observed], state: Mapping[str, Any] | None = None) -> list[End]:
        """Return how each trial is expected to end; nothing if no trial has a value.

        Args:
            trials: The trials.
            state: The state of the last proposal; without one, hyperparameters are found from the trials alone.
        """
        rng = np.random.default_rng(stream(self._seed, "posterior"))
        steps = None if state is not None else STEPS_ALONE
        fit = self._fit(trials, Chain.of(state, self._prior), rng, steps)
        if fit is None:
            return []
        columns = self._features.columns(self._features.coordinates([trial.parameters for trial in trials]))
        means, deviations = fit.posterior.predict(columns, 1.0, fit.local(len(trials)))
        return [
            End(fit.mean(mean, deviation), fit.quantiles(mean, deviation))
            for mean, deviation in zip(means, deviations, strict=True)
        ]

    @property
    def start(self) -> int:
        """The number of trials before the model is asked."""
        return self._settings.start or min(self._features.dimensions + 2, MOST_START)

    def _turn(self, trials: Sequence[Observed], number: int) -> By:
        """Whose turn a proposal is."""
        if len(trials) < self.start or sum(bool(trial.curve) for trial in trials) < FEWEST_VALUES:
            return "start"
        every = self._settings.random_every
        return "random" if every and number % every == every - 1 else "model"

    def _fit(
        self, trials: Sequence[Observed], chain: Chain, rng: np.random.Generator, steps: int | None = None
    ) -> _Fit | None:
        """The process fitted to the trials, those in training at their expected value; None without any value."""
        order = np.random.default_rng(stream(self._seed, "observations"))
        trial, epoch, values = observations(trials, self._better, self._settings.observations, order)
        if not len(values):
            return None
        scores = NormalScores(values)
        waiting = [index for index, one in enumerate(trials) if _waiting(one)]
        rows = np.union1d(trial, np.array(waiting, dtype=np.int64))
        columns = self._features.columns(self._features.coordinates([trials[row].parameters for row in rows]))
        progress = np.array([progress_of(int(one), self._epochs) for one in epoch])
        data = Data(columns, np.searchsorted(rows, trial), progress, scores.scores)
        samples = self._settings.samples
        steps = max(samples, steps or round(self._settings.chain_steps * min(1.0, (FULL_CHAIN / len(values)) ** 1.5)))
        chain, posterior = chain.advanced(self._prior, data, steps, samples, rng)
        if waiting:
            data = self._believed(trials, waiting, rows, data, posterior)
            posterior = posterior.given(data)
        return _Fit(posterior, scores, data, rows, chain, self._better)

    def _believed(
        self, trials: Sequence[Observed], waiting: Sequence[int], rows: Integers, data: Data, posterior: Mixture
    ) -> Data:
        """The data with the expected values of the trials in training at the epoch that they train to."""
        for until in sorted({trials[index].until or 0 for index in waiting}):
            place = np.searchsorted(rows, [index for index in waiting if trials[index].until == until])
            progress = progress_of(until, self._epochs)
            mean, _ = posterior.predict(data.columns[place], progress, place)
            data = data.extended(place, np.full(len(place), progress), mean)
        return data

    def _weighed(
        self,
        fit: _Fit,
        trials: Sequence[Observed],
        tried: Collection[str],
        accepts: Accepts,
        cost: Cost,
        rng: np.random.Generator,
    ) -> Proposal | None:
        """The acceptable candidate of the best score; None if no candidate is acceptable."""
        ends, deviations = fit.posterior.predict(fit.data.columns, 1.0, np.arange(len(fit.rows)))
        coordinates = self._features.coordinates([trials[row].parameters for row in fit.rows])
        candidates = self._pool.weighed(coordinates[np.argsort(-ends, kind="stable")[:BEST]], tried, rng)
        mean, deviation = fit.posterior.predict(self._features.columns(candidates), 1.0)
        threshold = _threshold(fit.data, ends, deviations)
        improvement = log_expected_improvement(mean, deviation, threshold)
        weighed: list[dict[str, Any]] = []
        for place in np.argsort(-improvement, kind="stable"):
            parameters = self._features.configuration(candidates[place])
            if identity(parameters) in tried or not accepts(parameters):
                continue
            price = cost(parameters)
            predicted = fit.quantiles(mean[place], deviation[place])
            score = float(improvement[place] - self._settings.cost_exponent * np.log(price))
            weighed.append({"parameters": parameters, "predicted": predicted, "cost": price, "score": score})
            if len(weighed) >= (WEIGHED_BY_COST if self._settings.cost_exponent else 1):
                break
        if not weighed:
            return None
        weighed.sort(key=lambda one: -float(one["score"]))
        best = weighed[0]
        shown = tuple({**one, "predicted": list(one["predicted"])} for one in weighed[:SHOWN])
        return Proposal(best["parameters"], "model", best["predicted"], best["cost"], shown, fit.chain.state)

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


def _waiting(trial: Observed) -> bool:
    """Whether a trial is in training and has not reached its end there."""
    return trial.until is not None and max(trial.curve, default=0) < trial.until


def _threshold(data: Data, ends: Floats, deviations: Floats) -> float:
    """What is to be improved on: the best end reached, or the best that is all but sure of those on their way."""
    reached = data.progress >= 1.0
    ended = np.isin(np.arange(len(ends)), data.trial[reached])
    return float(max([*data.scores[reached], *(ends - deviations)[~ended]]))
