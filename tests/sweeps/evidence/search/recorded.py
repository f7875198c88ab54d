"""Trials with decisions on record, as a search with promotion leaves them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.trial.trial import Status, Trial


def new(order: int, until: int, by: str = "model", **more: Any) -> dict[str, Any]:
    """The record of a new trial."""
    return {"order": order, "from": 0, "until": until, "why": "new", "by": by, "cost": float(until), **more}


def promoted(order: int, start: int, until: int, place: int, reached: int, **more: Any) -> dict[str, Any]:
    """The record of a promotion; half of a rung go on."""
    rung = {"reached": reached, "go_on": reached // 2, "place": place}
    return {"order": order, "from": start, "until": until, "why": "promoted", "rung": rung, "cost": 1.0, **more}


def sent(order: int, start: int, until: int, **more: Any) -> dict[str, Any]:
    """The record of a trial that goes on because no new one comes any more."""
    return {"order": order, "from": start, "until": until, "why": "to the end", "last": True, "cost": 1.0, **more}


def trial_of(number: int, status: Status, curve: Mapping[int, float], *decisions: Any, **facts: Any) -> Trial:
    """A trial of the search with its decisions."""
    value = curve[max(curve)] if status is Status.COMPLETE else None
    return Trial(number, "search", status, {}, value, dict(curve), decisions=tuple(decisions), **facts)


def ladder() -> tuple[Trial, ...]:
    """Seven trials on the rungs 1 and 2 of 4 epochs: two trained to the end, one waits, one runs, three were left."""
    return (
        trial_of(
            0, Status.COMPLETE, {1: 50.0, 2: 60.0, 3: 65.0, 4: 70.0},
            new(0, 1, "baseline"), promoted(2, 1, 2, 1, 2, predicted=[60.0, 66.0, 72.0]),
            sent(8, 2, 4, predicted=[66.0, 69.0, 72.0]),
        ),
        trial_of(1, Status.PRUNED, {1: 40.0}, new(1, 1, "start", predicted=[40.0, 50.0, 60.0])),
        trial_of(
            2, Status.COMPLETE, {1: 55.0, 2: 66.0, 3: 71.0, 4: 80.0},
            new(3, 1, predicted=[55.0, 62.0, 70.0]), promoted(5, 1, 2, 1, 3),
            promoted(7, 2, 4, 1, 2, predicted=[70.0, 74.0, 78.0]),
        ),
        trial_of(3, Status.PRUNED, {1: 41.0}, new(4, 1, predicted=[45.0, 55.0, 65.0])),
        trial_of(4, Status.RUNNING, {1: 57.0}, new(6, 1, "random", predicted=[50.0, 60.0, 70.0])),
        trial_of(5, Status.PRUNED, {1: 42.0}, new(9, 1, predicted=[46.0, 58.0, 66.0])),
        trial_of(6, Status.RUNNING, {}, new(10, 1, predicted=[50.0, 61.0, 71.0])),
    )  # fmt: skip
