"""A study of the toy that was interrupted while trials of its search were paused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from tests.sweeps.support import Interrupting, run_inline, toy_study

FIRST_ROUND = {"type": "one_epoch", "epochs": 2, "top": 2}
NEW: Mapping[str, Any] = {"order": 0, "from": 0, "until": 2, "why": "new", "by": "random", "cost": 2.0}


def interrupted(folder: Path, pauses: int = 3) -> None:
    """Leave a study in `folder`: so many trials are paused after epoch 2 of 4, and one more has been handed out."""
    events = 4 * pauses + 1  # a trial's start, its two epochs and its pause; the start of the next one
    with suppress(KeyboardInterrupt):
        run_inline(toy_study(early_terminate=FIRST_ROUND), folder, Interrupting(events))
    record(folder, {number: [{**NEW, "order": number}] for number in range(pauses + 1)})


def record(folder: Path, decisions: Mapping[int, Any], *, replace: bool = False) -> None:
    """Record decisions by trial, as a search with promotion does when it hands a trial out.

    Args:
        folder: The runs folder.
        decisions: The decisions on each trial.
        replace: Whether the trials have some already, in whose place they come.
    """
    with closing(sqlite3.connect(folder / "toy" / "study.db")) as database, database:
        if replace:
            which = ", ".join(map(str, decisions))
            database.execute(
                "DELETE FROM trial_user_attributes WHERE key = 'decisions' AND trial_id IN "
                f"(SELECT trial_id FROM trials JOIN studies USING (study_id) WHERE number IN ({which}) "
                "AND study_name = 'search')"
            )
        for number, listed in decisions.items():
            database.execute(
                "INSERT INTO trial_user_attributes (trial_id, key, value_json) "
                "SELECT trial_id, 'decisions', ? FROM trials JOIN studies USING (study_id) "
                "WHERE number = ? AND study_name = 'search'",
                (json.dumps(listed), number),
            )
