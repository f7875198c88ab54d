"""Compute the data of the figures of the decisions, as data frames. The page shows them below each figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from sweeps.evidence.search import SearchHistory, Step
from sweeps.evidence.search.decisions import NEW
from sweeps.formatting import status_name
from sweeps.report.tables.frames import frame_of
from sweeps.trial.trial import Status

PAUSED, NOT_PROMOTED, END = "paused", "not promoted", "trained to the end"
LAST, FIRST = "before the last step", "when proposed"


def ladder(history: SearchHistory, groups: Mapping[int, str]) -> pd.DataFrame:
    """Return where each step of a trial began and ended, trial by trial.

    Args:
        history: The decisions of the search.
        groups: The group of each trial, by number.

    Returns:
        The columns trial, group, decision, epoch and event, two rows for each decision: why the trial was handed out
        at the epoch where it stood, then how the step ended (paused, not promoted, trained to the end, or the trial's
        state).
    """
    known = [step for step in history.steps if step.decision.order is not None and step.decision.start is not None]
    known.sort(key=lambda step: (step.decision.trial, step.decision.order or 0))
    rows = [(step.decision.trial, groups[step.decision.trial], *point) for step in known for point in _points(step)]
    return frame_of(rows, ["trial", "group", "decision", "epoch", "event"])


def predictions(history: SearchHistory) -> pd.DataFrame:
    """Return the predicted ends of the trials that were trained to their end.

    Returns:
        The columns trial, prediction (made before the last step, or when the configuration was proposed), predicted,
        low, high, reached, and within: whether the end lies within the 80 % interval. A trial that was trained in one
        step has one row.
    """
    made = [step for step in history.steps if step.decision.predicted is not None and step.end is not None]
    rows = [_prediction(step, LAST) for step in made if step.to_the_end]
    rows += [_prediction(step, FIRST) for step in made if not step.to_the_end and step.decision.why == NEW]
    return frame_of(rows, ["trial", "prediction", "predicted", "low", "high", "reached", "within"])


def _points(step: Step) -> Iterator[tuple[Any, ...]]:
    decision, trial = step.decision, step.trial
    yield decision.order, decision.start, decision.why or "not recorded"
    until = decision.until if decision.until is not None else trial.epochs
    yield decision.order, min(until, trial.epochs), _ending(step, until)


def _ending(step: Step, until: int) -> str:
    """How a step ended that was to go on until an epoch."""
    if step.to_the_end:
        return END
    if step.trial.epochs > until:
        return PAUSED
    pruned = step.trial.status is Status.PRUNED and step.trial.epochs == until
    return NOT_PROMOTED if pruned else status_name(step.trial.state)


def _prediction(step: Step, made: str) -> tuple[Any, ...]:
    predicted, end = step.decision.predicted, step.end
    assert predicted is not None
    assert end is not None
    ends = (predicted.median, predicted.low, predicted.high)
    return (step.decision.trial, made, *ends, end, predicted.contains(end))
