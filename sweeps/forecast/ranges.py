"""Estimate the work of a study as ranges (low, likely, high), in epochs of the baseline."""

from __future__ import annotations

import math
import random
from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.pruners.asha import Asha
from sweeps.pruners.base import Rule
from sweeps.pruners.hyperband import Hyperband
from sweeps.pruners.median import Median
from sweeps.pruners.one_epoch import OneEpoch

SIMULATED_TRIALS = 2_000
MIDDLE = (10, 90)  # percentiles


@dataclass(frozen=True)
class Range:
    """A quantity with a likely value and bounds."""

    low: float
    likely: float
    high: float

    @classmethod
    def of(cls, value: float) -> Range:
        """Return the range of a quantity that is known exactly."""
        return cls(value, value, value)

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, other: Range) -> Range:
        return Range(self.low * other.low, self.likely * other.likely, self.high * other.high)

    def scaled(self, factor: float) -> Range:
        """Return the range times `factor`."""
        return self * Range.of(factor)


def total(ranges: Sequence[Range]) -> Range:
    """Return the sum of `ranges`."""
    return sum(ranges, Range.of(0))


def wall_time(runs: float, work: float, longest: float, at_once: int) -> float:
    """Return the time until all runs have ended, in the unit of `work`.

    The runs are taken to be equally long and to start in rounds of `at_once`.

    Args:
        runs: The number of runs.
        work: The work of all runs.
        longest: The work of the longest run, which bounds the time from below.
        at_once: How many runs train side by side.
    """
    return max(longest, work / runs * math.ceil(runs / at_once)) if runs else 0.0


def epochs_per_trial(rule: Rule | None, epochs: int, trials: int) -> Range:
    """Return the mean number of epochs that a trial of the search trains for.

    From as many stops as the rule aims at, to none. The likely value is simulated with trials that come one after
    another and whose order never changes; the first ones have nobody to fall behind. With one_epoch it is exact.

    Args:
        rule: The rule of early termination; None if there is none.
        epochs: The epochs of a trial that is not stopped.
        trials: The number of trials.
    """
    if rule is None or not trials:
        return Range.of(epochs)
    match rule:
        case Asha():
            return _halved(rule, epochs, trials)
        case Hyperband():
            sizes = [round(trials * share) for share in rule.shares]
            parts = [_halved(ladder, epochs, size) for ladder, size in zip(rule.ladders, sizes, strict=True)]
            return total([part.scaled(share) for part, share in zip(parts, rule.shares, strict=True)])
        case Median():
            first = min(rule.min_iter, epochs)
            likely = _simulated(trials, lambda values: _median_epochs(rule, values, epochs))
            return Range(min((first + epochs) / 2, likely), likely, epochs)
        case OneEpoch():
            return Range.of(rule.epochs + (epochs - rule.epochs) * min(1.0, rule.top / trials))
    raise TypeError(f"no forecast for {type(rule).__name__}")


def _halved(asha: Asha, epochs: int, trials: int) -> Range:
    """The mean epochs of a trial under successive halving."""
    rungs = [rung for rung in asha.rungs if rung < asha.max_iter]
    if not rungs or not trials:
        return Range.of(epochs)
    steps = zip(rungs, [*rungs[1:], epochs], strict=True)
    # A part 1/eta of the trials continues at each rung.
    intended = rungs[0] + sum((end - rung) / asha.eta ** (k + 1) for k, (rung, end) in enumerate(steps))
    likely = _simulated(trials, lambda values: _halved_epochs(asha, rungs, values, epochs))
    return Range(min(intended, likely), likely, epochs)


def _simulated(trials: int, total_epochs: Callable[[Sequence[float]], float]) -> float:
    """The mean epochs per trial in simulated searches.

    `total_epochs` returns the epochs of a search in which trials of these constant values come one after another.
    """
    generator, repeats = random.Random(0), max(1, SIMULATED_TRIALS // trials)
    epochs = sum(total_epochs([generator.random() for _ in range(trials)]) for _ in range(repeats))
    return epochs / (repeats * trials)


def _halved_epochs(asha: Asha, rungs: Sequence[float], values: Sequence[float], epochs: int) -> float:
    """The epochs of all trials under successive halving."""
    recorded: Mapping[float, list[float]] = {rung: [] for rung in rungs}
    trained = 0.0
    for value in values:
        stopped_at = None
        for rung in rungs:
            behind = asha.below_cutoff(value, recorded[rung])
            recorded[rung].append(value)
            if behind:
                stopped_at = rung
                break
        trained += math.ceil(epochs if stopped_at is None else stopped_at)
    return trained


def _median_epochs(rule: Median, values: Sequence[float], epochs: int) -> float:
    """The epochs of all trials under the median rule.

    A trial below the median of those before it stops at its first check.
    """
    ordered: list[float] = []
    trained = 0.0
    for number, value in enumerate(values):
        behind = number >= rule.min_trials and value < (ordered[(number - 1) // 2] + ordered[number // 2]) / 2
        trained += rule.min_iter if behind else epochs
        insort(ordered, value)
    return trained


def spread(works: Sequence[float], trials: int, method: str) -> Range:
    """Return the mean work of the configurations that a search will try.

    Args:
        works: The work of configurations drawn uniformly from the space.
        trials: The number of trials.
        method: The search method. "bayes" and "tpe" may settle anywhere in the space: the 10th to the 90th percentile
            of `works`. Random draws and grids: the mean ± 1.96 standard errors.

    Returns:
        The range; exactly 1 without any `works`.
    """
    if not works:
        return Range.of(1.0)
    mean = float(np.mean(works))
    if method in ("bayes", "tpe") or len(works) < 2:
        low, high = (float(bound) for bound in np.percentile(works, MIDDLE))
        return Range(min(low, mean), mean, max(high, mean))
    error = 1.96 * float(np.std(works, ddof=1)) / math.sqrt(max(1, trials))
    return Range(max(min(works), mean - error), mean, mean + error)
