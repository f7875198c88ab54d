"""Whether the surrogate's predictions held: how many ends lay within their 80 % interval, and in the right order.

Only trials that were promoted reach their end, so the predictions of the others are never checked there. Three sets of
predictions are told apart, each with at most one of every trial:

- `last`: made when a trial was sent on its last step. Nothing selects among these any more: they are a fair check.
- `first`: made when a configuration was proposed, of trials that paused and yet reached their end. These were selected
  as the better ones, so they tend to end better than predicted.
- at the first pause nothing has been selected yet. No end is known there, but the order is: `first_pause` compares the
  predicted ends with the metric at that epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.evidence.search.decisions import NEW, Prediction, Step
from sweeps.stats import share_interval

FEWEST_RANKED = 5  # pairs from which a rank correlation says anything


@dataclass(frozen=True)
class Coverage:
    """How many ends lay within their 80 % interval.

    Attributes:
        n: The number of predictions whose trial was trained to its end.
        inside: How many of the ends lay within the interval.
        low: The lower end of the exact 95 % interval of their share, from 0 to 1; 0 where n is 0.
        high: The upper end; 1 where n is 0.
        correlation: The rank correlation (Spearman) of predicted with reached ends; None below 5, or if all are equal.
    """

    n: int
    inside: int
    low: float
    high: float
    correlation: float | None

    @classmethod
    def of(cls, pairs: Sequence[tuple[Prediction, float]]) -> Coverage:
        """Return the coverage of predictions by the ends that were reached."""
        inside = sum(predicted.contains(reached) for predicted, reached in pairs)
        low, high = share_interval(inside, len(pairs)) if pairs else (0.0, 1.0)
        medians, reached = [predicted.median for predicted, _ in pairs], [value for _, value in pairs]
        return cls(len(pairs), inside, low, high, rank_correlation(medians, reached))


@dataclass(frozen=True)
class Calibration:
    """What the record says of the surrogate's predictions.

    Attributes:
        last: Of the predictions made when a trial was sent on its last step.
        first: Of those made when its configuration was proposed.
        paused: The number of proposed trials with a prediction that have reached their first pause.
        first_pause: The rank correlation of their predicted ends with the metric at that epoch.
    """

    last: Coverage
    first: Coverage
    paused: int
    first_pause: float | None


def calibration(steps: Sequence[Step]) -> Calibration:
    """Return how the predictions on record compare with what was reached."""
    proposed = [step for step in steps if step.decision.why == NEW and step.decision.predicted is not None]
    # Of a trial that was trained to its end at once, the prediction is that before its last step.
    paused = [step for step in proposed if not step.to_the_end]
    early = [(step.decision.predicted.median, step.reached) for step in paused if step.decision.predicted]
    known = [(predicted, reached) for predicted, reached in early if reached is not None]
    return Calibration(
        Coverage.of(_pairs([step for step in steps if step.to_the_end])),
        Coverage.of(_pairs(paused)),
        len(known),
        rank_correlation([predicted for predicted, _ in known], [reached for _, reached in known]),
    )


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, with mean ranks for ties; None below 5 pairs, or if one side is constant."""
    if len(one) < FEWEST_RANKED or len(set(one)) == 1 or len(set(other)) == 1:
        return None
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _pairs(steps: Sequence[Step]) -> list[tuple[Prediction, float]]:
    return [
        (step.decision.predicted, step.end)
        for step in steps
        if step.decision.predicted is not None and step.end is not None
    ]


def _ranks(values: Sequence[float]) -> np.ndarray:
    _, place, times = np.unique(np.asarray(values, float), return_inverse=True, return_counts=True)
    last = np.cumsum(times)
    return ((last - times + 1 + last) / 2)[place]
