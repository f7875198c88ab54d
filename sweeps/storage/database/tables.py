"""Optuna's tables of trials: convert whole trials to rows and back.

This is version 12 of Optuna's schema, that of Optuna 3 to 5. Reading whole tables is much faster than Optuna's object
mapper, which makes an object of every row.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, DateTime, TableClause, column, table

TRIALS = table(
    "trials",
    *(column(name) for name in ("trial_id", "number", "study_id", "state")),
    *(column(name, DateTime) for name in ("datetime_start", "datetime_complete")),
)
PARAMETERS = table("trial_params", *map(column, ("trial_id", "param_name", "param_value", "distribution_json")))
VALUES = table("trial_values", *map(column, ("trial_id", "objective", "value", "value_type")))
STEPS = table(
    "trial_intermediate_values", *map(column, ("trial_id", "step", "intermediate_value", "intermediate_value_type"))
)
USER = table("trial_user_attributes", *map(column, ("trial_id", "key", "value_json")))
SYSTEM = table("trial_system_attributes", *map(column, ("trial_id", "key", "value_json")))

FINITE, NAN = "FINITE", "NAN"
INFINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf}
LAST_ID = 2**63 - 1  # the largest id that SQLite can assign


def read_trials(connection: Connection, after: int = 0, before: int = LAST_ID) -> dict[int, list[FrozenTrial]]:
    """Read the trials whose ids are between `after` and `before`, by default all trials of the database.

    Returns:
        The trials of each study in the order of ids, by the study's id.

    Raises:
        ValueError: The rows contradict each other.
        LookupError: The rows contradict each other.
    """
    by_id, studies = _ById(), defaultdict[int, list[FrozenTrial]](list)

    def rows_of(of: TableClause, order: str) -> Sequence[Sequence[Any]]:
        return _rows(connection, of, order, after, before)

    for trial_id, number, study_id, state, started, completed in rows_of(TRIALS, "trial_id"):
        by_id[trial_id] = _blank(trial_id, number, state, started, completed)
        studies[study_id].append(by_id[trial_id])
    for trial_id, name, stored, kind in rows_of(PARAMETERS, "param_id"):
        distribution = by_id[trial_id].distributions[name] = distribution_of(kind)
        by_id[trial_id].params[name] = distribution.to_external_repr(stored)
    for trial_id, _, stored, kind in rows_of(VALUES, "trial_value_id"):
        by_id[trial_id].value = number_of(stored, kind)
    for trial_id, step, stored, kind in rows_of(STEPS, "trial_intermediate_value_id"):
        by_id[trial_id].intermediate_values[step] = number_of(stored, kind)
    for trial_id, key, stored in rows_of(USER, "trial_user_attribute_id"):
        by_id[trial_id].user_attrs[key] = json.loads(stored)
    for trial_id, key, stored in rows_of(SYSTEM, "trial_system_attribute_id"):
        by_id[trial_id].system_attrs[key] = json.loads(stored)
    return dict(studies)


def trial_row(trial: FrozenTrial, study_id: int) -> dict[str, Any]:
    """Return a trial's row of `TRIALS`, without the id, which the database assigns."""
    return {
        "number": trial.number,
        "study_id": study_id,
        "state": trial.state.name,
        "datetime_start": trial.datetime_start,
        "datetime_complete": trial.datetime_complete,
    }


def other_rows(trial: FrozenTrial) -> Iterator[tuple[TableClause, list[dict[str, Any]]]]:
    """Yield the other tables in which a trial has rows, with the rows."""
    parameters = [
        parameter_row(
            trial._trial_id, name, trial.distributions[name].to_internal_repr(value), trial.distributions[name]
        )
        for name, value in trial.params.items()
    ]
    values = [] if trial.value is None else [value_row(trial._trial_id, trial.value)]
    steps = [step_row(trial._trial_id, step, value) for step, value in trial.intermediate_values.items()]
    user = [note_row(trial._trial_id, key, value) for key, value in trial.user_attrs.items()]
    system = [note_row(trial._trial_id, key, value) for key, value in trial.system_attrs.items()]
    rows = {PARAMETERS: parameters, VALUES: values, STEPS: steps, USER: user, SYSTEM: system}
    yield from ((of, rows_of) for of, rows_of in rows.items() if rows_of)


def parameter_row(trial_id: int, name: str, internal: float, distribution: BaseDistribution) -> dict[str, Any]:
    """Return the row of a parameter. `internal` is Optuna's internal representation of the value."""
    kind = distribution_to_json(distribution)
    return {"trial_id": trial_id, "param_name": name, "param_value": internal, "distribution_json": kind}


def value_row(trial_id: int, value: float) -> dict[str, Any]:
    """Return the row of a trial's final value."""
    stored, kind = stored_as(value)
    return {"trial_id": trial_id, "objective": 0, "value": stored, "value_type": kind}


def step_row(trial_id: int, step: int, value: float) -> dict[str, Any]:
    """Return the row of an intermediate value; `step` is the epoch."""
    stored, kind = stored_as(value)
    return {"trial_id": trial_id, "step": step, "intermediate_value": stored, "intermediate_value_type": kind}


def note_row(trial_id: int, key: str, value: Any) -> dict[str, Any]:
    """Return the row of a user attribute or a system attribute."""
    return {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}


def stored_as(value: float) -> tuple[float | None, str]:
    """Return a number and its kind as the database stores them: a number that is not finite as its kind only."""
    if math.isnan(value):
        return None, NAN
    return (value, FINITE) if math.isfinite(value) else (None, "INF_POS" if value > 0 else "INF_NEG")


def number_of(stored: float | None, kind: str) -> float:
    """Return the number that `stored` and its kind stand for. Raises LookupError or ValueError for invalid columns."""
    if kind == FINITE:
        if stored is None:
            raise ValueError("a finite number is missing")
        return float(stored)
    return math.nan if kind == NAN else INFINITE[kind]


@cache
def distribution_of(text: str) -> BaseDistribution:
    """Return the distribution that a JSON text stands for. All trials share one object."""
    return json_to_distribution(text)


class _ById(dict[int, FrozenTrial]):
    """Trials by id; a missing id raises LookupError with a message."""

    def __missing__(self, trial_id: int) -> FrozenTrial:
        raise LookupError(f"there are rows of a trial with the id {trial_id}, but no such trial")


def _rows(connection: Connection, of: TableClause, order: str, after: int, before: int) -> Sequence[Sequence[Any]]:
    """Return the rows of trials in the order in which they were written, which is that of the column `order`.

    This is a plain SQL text, because there may be a million rows and SQLAlchemy's result objects are slow.
    """
    names = ", ".join(item.name for item in of.columns)
    # Without a bound SQLite would not look for one in an index, which is slower for whole tables.
    bounds = (after, before) if after or before < LAST_ID else ()
    where = " WHERE trial_id > ? AND trial_id < ?" if bounds else ""
    return connection.exec_driver_sql(f"SELECT {names} FROM {of.name}{where} ORDER BY {order}", bounds).fetchall()


def _blank(trial_id: int, number: int, state: str, started: Any, completed: Any) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        state=TrialState[state],
        value=None,
        datetime_start=_moment(started),
        datetime_complete=_moment(completed),
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=trial_id,
    )


def _moment(stored: Any) -> datetime | None:
    """Return a time; the plain SQL text above yields it as text."""
    return datetime.fromisoformat(stored) if isinstance(stored, str) else stored
