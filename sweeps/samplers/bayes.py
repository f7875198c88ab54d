"""The surrogate as an Optuna sampler: one joint proposal for each trial, over the whole conditional space."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial

from sweeps.pruners.factory import epochs_of
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.samplers.observations import Observations, full_epochs, tells
from sweeps.space.distributions import distribution
from sweeps.space.encoding import encode
from sweeps.study.study import Study
from sweeps.surrogate.observed import End, Observed, Proposal
from sweeps.surrogate.proposer import Proposer
from sweeps.surrogate.warm_start import Source
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Trial
from sweeps.trial.work import BaselineWork
from sweeps.workload import Workload

Parameters = Mapping[str, Any]


class Bayes(BaseSampler):
    """Proposes configurations by the surrogate of `sweeps.surrogate`.

    Optuna shows its samplers the dimensions that all trials share; the surrogate is handed the whole space with its
    conditions. A proposal depends only on the trials and on the number of the new one, so that a restarted study goes
    on with the proposals of an unbroken one.

    Args:
        study: The study whose space is searched.
        gate: Checks configurations against the study's constraints, and counts their cost.
        untried: Whether a configuration may still be tried.
        sources: Earlier searches that inform this one.
    """

    def __init__(
        self,
        study: Study,
        gate: ConstraintGate,
        untried: Callable[[Parameters], bool],
        sources: Sequence[Source] = (),
    ) -> None:
        self._study = study
        self._gate = gate
        self._untried = untried
        self._proposer, self._observations = _surrogate(study, gate.workload, sources)
        self._unit = BaselineWork.of(gate.baseline().cost, epochs_of(study, gate.workload) or 1)
        self._proposal: Proposal | None = None

    def prepare(self, trials: Sequence[Trial], number: int) -> bool:
        """Choose the configuration of the next trial, which may take a second: no transaction should be open.

        Args:
            trials: The trials of the search so far, in the order of numbers.
            number: The number of the new trial.

        Returns:
            Whether one was found. If not, the next trial is drawn at random.
        """
        observed = self._observations.of(trials)
        try:
            self._proposal = self._proposer.propose(observed, number, self._accepts, self._cost, last_state(trials))
        except LookupError:
            self._proposal = None
        return self._proposal is not None

    def chosen(self) -> dict[str, Any]:
        """Return how the latest configuration was chosen, as plain data for the record of decisions."""
        proposal = self._proposal
        if proposal is None:  # nothing fitted, so the trial was drawn at random
            return {"by": "random"}
        return {
            "by": proposal.by,
            "predicted": proposal.predicted and list(proposal.predicted),
            "cost": proposal.cost,
            "candidates": [dict(candidate) for candidate in proposal.candidates],
            "model": proposal.state,
        }

    def expected_end(self, trials: Sequence[Trial], number: int) -> list[float] | None:
        """Return the 10, 50 and 90 % quantiles of the end of a trial that has paused; None where none is expected.

        Args:
            trials: The trials of the search so far.
            number: The number of the trial.
        """
        told = [trial for trial in trials if tells(trial)]
        place = next((place for place, trial in enumerate(told) if trial.number == number), None)
        ends = self._proposer.posterior(self._observations.of(told), last_state(trials))
        return None if place is None or not ends else list(ends[place].quantiles)

    def epochs_of(self, parameters: Parameters) -> int:
        """Return the epochs of a trial that trains to its end."""
        return self._unit.epochs_of(self._gate.assess(parameters).settings)

    def infer_relative_search_space(self, study: OptunaStudy, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the whole space: which of its dimensions exist is known once their parents have values."""
        return {dimension.key: distribution(dimension) for dimension in self._study.space.dimensions}

    def sample_relative(
        self, study: OptunaStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the configuration that was prepared; nothing for a trial whose configuration was enqueued."""
        if self._proposal is None or "fixed_params" in trial.system_attrs:
            return {}
        return encode(self._study.space, self._proposal.parameters)

    def sample_independent(
        self, study: OptunaStudy, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a random value: nothing fits, or another program has enqueued a part of a configuration."""
        dimension = next(each for each in self._study.space.dimensions if each.key == param_name)
        value = dimension.draw(random.Random(stream(self._study.seed, "sampler", trial.number, param_name)))
        return encode(self._study.space, {param_name: value})[param_name]

    def _accepts(self, parameters: Parameters) -> bool:
        return self._untried(parameters) and self._gate.assess(parameters).accepted

    def _cost(self, parameters: Parameters) -> float:
        feasibility = self._gate.assess(parameters)
        return self._unit.training(feasibility.settings, feasibility.cost)


def expected_ends(study: Study, workload: Workload, trials: Sequence[Trial]) -> dict[int, End]:
    """Return how new runs of the trials of a search are expected to end, by number; empty where no trial has a value.

    The value of a trial that was trained to its end counts as one of many: the best of single runs is partly luck.

    Args:
        study: The study.
        workload: Its workload.
        trials: The trials of its search. Earlier studies that inform it have no part in this.
    """
    proposer, observations = _surrogate(study, workload, ())
    state = None if study.warm_start else last_state(trials)  # that of a process with another prior mean
    told = [trial for trial in trials if tells(trial)]
    again = [Observed(trial.parameters, {}) for trial in told]  # of which nothing is known but the configuration
    ends = proposer.posterior([*observations.of(told), *again], state)[len(told) :]
    return {trial.number: end for trial, end in zip(told, ends, strict=True)} if ends else {}


def _surrogate(study: Study, workload: Workload, sources: Sequence[Source]) -> tuple[Proposer, Observations]:
    """The surrogate of a study's search, and what turns its trials into observations."""
    epochs = full_epochs(study, workload)
    seed = stream(study.seed, "surrogate")
    proposer = Proposer(study.space, epochs, study.metric.goal, seed, sources=sources)
    return proposer, Observations(epochs, study.metric)


def last_state(trials: Sequence[Trial]) -> Mapping[str, Any] | None:
    """Return the surrogate's state at the last recorded decision that it took part in; None if there is none."""
    decisions = [decision for trial in trials for decision in trial.decisions if decision.get("model")]
    latest = max(decisions, key=lambda decision: int(decision["order"]), default=None)
    return None if latest is None else latest["model"]
