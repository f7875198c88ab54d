"""Optuna's TPE for studies of many trials: what it has read of trials that have ended is not read again."""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial


class Tpe(TPESampler):
    """Draws as the `TPESampler` with the same arguments does. Made anew for every proposal, it inherits from the last.

    After 10,000 trials the intersection of their parameters, and the numbers that stand for them, took 77 % of a
    proposal. What is inherited is private to Optuna: where it is named otherwise, this is only slower.
    """

    def __init__(self, before: BaseSampler | None, **settings: Any) -> None:
        super().__init__(**settings)
        self._known: dict[tuple[str, ...], dict[int, tuple[Any, ...] | None]] = {}
        if isinstance(before, Tpe):
            self._known = before._known
            for name in ("_search_space", "_group_decomposed_search_space"):
                learnt = getattr(before, name, None)
                if learnt is not None and type(learnt) is type(getattr(self, name, None)):
                    setattr(self, name, learnt)

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, np.ndarray]:
        known = self._known.setdefault(tuple(search_space), {})
        rows = []
        for trial in trials:
            row = known.get(trial._trial_id, ())
            if row == ():  # not looked at yet
                row = self._row(trial, search_space, study)
                if trial.state.is_finished():
                    known[trial._trial_id] = row
            if row is not None:
                rows.append(row)
        columns = zip(*rows, strict=True) if rows else ([] for _ in search_space)
        return {name: np.asarray(column) for name, column in zip(search_space, columns, strict=True)}

    def _row(
        self, trial: FrozenTrial, search_space: dict[str, BaseDistribution], study: Study
    ) -> tuple[Any, ...] | None:
        """The numbers that stand for a trial's parameters; None where it lacks one."""
        params = self._get_params(trial, study)
        if not search_space.keys() <= params.keys():
            return None
        return tuple(kind.to_internal_repr(params[name]) for name, kind in search_space.items())
