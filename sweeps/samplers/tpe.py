"""Optuna's TPE for large studies and paused trials: it converts a trial once, and learns from those that pause."""

from __future__ import annotations

import copy
from collections.abc import Container, Set
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

_INHERITED = ("_search_space", "_group_decomposed_search_space")


class Tpe(TPESampler):
    """Samples like `TPESampler`, reusing the search space and the converted trials of the previous proposal's sampler.

    The engine builds a sampler for every proposal, because its seed depends on the trial's number. After 10,000 trials,
    intersecting their parameters and converting them to numbers took 77 % of a proposal (docs/measurements.md).

    A paused trial is running in Optuna's storage, and TPE takes running trials for bad ones. Here it is shown one that
    was pruned with the value it has, so that a good one attracts further trials.

    Args:
        previous: The sampler of the previous proposal.
        paused: The numbers of the trials that pause.
        **settings: The arguments of `TPESampler`.
    """

    def __init__(self, previous: BaseSampler | None, paused: Set[int] = frozenset(), **settings: Any) -> None:
        super().__init__(**settings)
        self._paused = paused
        self._rows: dict[tuple[str, ...], dict[int, tuple[Any, ...] | None]] = {}
        if isinstance(previous, Tpe):
            self._rows = previous._rows
            # These attributes are private to Optuna: under another name nothing is inherited, which is only slower.
            for name in _INHERITED:
                space = getattr(previous, name, None)
                if space is not None and type(space) is type(getattr(self, name, None)):
                    setattr(self, name, space)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the dimensions that are sampled together."""
        return super().infer_relative_search_space(self._shown(study), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a value for each of these dimensions."""
        return super().sample_relative(self._shown(study), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a value for a dimension that is sampled by itself."""
        return super().sample_independent(self._shown(study), trial, param_name, param_distribution)

    def _shown(self, study: Study) -> Study:
        return _WithPausedTrials(study, self._paused) if self._paused else study

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, np.ndarray]:
        cache = self._rows.setdefault(tuple(search_space), {})
        rows = []
        for trial in trials:
            row = cache.get(trial._trial_id, ())
            if row == ():  # not read yet
                row = self._row(trial, search_space, study)
                if trial.state.is_finished():
                    cache[trial._trial_id] = row
            if row is not None:
                rows.append(row)
        columns = zip(*rows, strict=True) if rows else ([] for _ in search_space)
        return {name: np.asarray(column) for name, column in zip(search_space, columns, strict=True)}

    def _row(
        self, trial: FrozenTrial, search_space: dict[str, BaseDistribution], study: Study
    ) -> tuple[Any, ...] | None:
        """A trial's parameters as Optuna's internal numbers; None where it lacks one."""
        params = self._get_params(trial, study)
        if not search_space.keys() <= params.keys():
            return None
        return tuple(kind.to_internal_repr(params[name]) for name, kind in search_space.items())


class _WithPausedTrials(Study):
    """A view of a study in which paused trials are pruned ones, with their last value."""

    def __init__(self, study: Study, paused: Set[int]) -> None:
        self.__dict__.update(study.__dict__)  # of the same storage, cache of trials included
        self._paused = paused

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = [self._shown(trial) for trial in super()._get_trials(deepcopy, None, use_cache)]
        return trials if states is None else [trial for trial in trials if trial.state in states]

    def _shown(self, trial: FrozenTrial) -> FrozenTrial:
        if trial.state is not TrialState.RUNNING or trial.number not in self._paused:
            return trial
        shown = copy.copy(trial)
        shown.state = TrialState.PRUNED
        return shown
