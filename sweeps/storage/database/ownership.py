"""Tell the trials of this engine from those that another program has added to the database.

Optuna's tools and a user's own scripts may write to `study.db` at any time. Every trial that this engine starts has the
user attribute `started`, and every trial that it ends has `status`. A trial without them belongs to another program. A
trial that only waits belongs to nobody yet: this engine takes it as an enqueued configuration.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from sqlalchemy import Connection

STARTED, FINISHED, STATUS = "started", "finished", "status"
MARKS = "marks_trials"  # a user attribute of the stages whose trials all have `started`; version 0.1.0 did not write it
DECISIONS = "decisions"  # a user attribute of a stage: how often its arms or facts have been replaced
ENQUEUED = "enqueued"  # a user attribute of the waiting trials that this engine has enqueued itself


def marking_studies(connection: Connection) -> set[int]:
    """Return the ids of the studies in which every trial of this engine has the attribute `started`."""
    rows = connection.exec_driver_sql("SELECT study_id FROM study_user_attributes WHERE key = ?", (MARKS,))
    return {study_id for (study_id,) in rows}


def is_foreign(trial: FrozenTrial, marking: bool) -> bool:
    """Whether another program has started or added a trial.

    Args:
        trial: The trial.
        marking: Whether its study is one of `marking_studies`. In others a running trial without the attribute is ours.
    """
    return is_foreign_row(trial.state.name, trial.user_attrs, marking)


def is_foreign_row(state: str, attributes: Collection[str], marking: bool) -> bool:
    """As `is_foreign`, of a trial's state and the names of its user attributes."""
    if state == "WAITING" or STARTED in attributes or STATUS in attributes:
        return False
    return marking or state != "RUNNING"
