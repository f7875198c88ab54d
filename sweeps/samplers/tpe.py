"""Optuna's TPE for large studies: each finished trial is converted once, not once per proposal."""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

_INHERITED = ("_search_space", "_group_decomposed_search_space")


class Tpe(TPESampler):
    """Samples like `TPESampler`, reusing the search space and the converted trials of the previous proposal's sampler.

    The engine builds a sampler for every proposal, because its seed depends on the trial's number. After 10,000 trials,
    intersecting their parameters and converting them to numbers took 77 % of a proposal (docs/measurements.md).

    Args:
        previous: The sampler of the previous proposal.
        **settings: The arguments of `TPESampler`.
    """

    def __init__(self, previous: BaseSampler | None, **settings: Any) -> None:
        super().__init__(**settings)
        self._rows: dict[tuple[str, ...], dict[int, tuple[Any, ...] | None]] = {}
        if isinstance(previous, Tpe):
            self._rows = previous._rows
            # These attributes are private to Optuna: under another name nothing is inherited, which is only slower.
            for name in _INHERITED:
                space = getattr(previous, name, None)
                if space is not None and type(space) is type(getattr(self, name, None)):
                    setattr(self, name, space)

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
