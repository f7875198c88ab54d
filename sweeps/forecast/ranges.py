"""What a study will take, in multiples of one epoch of the baseline, as ranges."""

from __future__ import annotations

import math
import random
from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweeps.pruners.asha import Asha
from sweeps.pruners.base import Rule
from sweeps.pruners.hyperband import Hyperband
from sweeps.pruners.median import Median
from sweeps.pruners.one_epoch import OneEpoch
from sweeps.study.study import Study

SIMULATED_TRIALS = 2_000
MIDDLE = (10, 90)  # percentiles


@dataclass(frozen=True)
class Range:
    """A quantity that is known roughly: its likely value, and bounds."""

    low: float
    likely: float
    high: float

    @classmethod
    def of(cls, value: float) -> Range:
        """A quantity that is known."""
        return cls(value, value, value)

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, other: Range) -> Range:
        return Range(self.low * other.low, self.likely * other.likely, self.high * other.high)

    def scaled(self, factor: float) -> Range:
        """The range in other units."""
        return self * Range.of(factor)


def total(ranges: Sequence[Range]) -> Range:
    """The sum of `ranges`."""
    return sum(ranges, Range.of(0))


def slots(study: Study, device: str, cores: int, gpus: int, workers: int | None) -> int:
    """How many trials run at once: as many as cores and GPUs hold, at most `workers`; at least one."""
    fitting = math.floor(cores / study.resources.cpu)
    if device == "cuda":
        share = study.resources.gpu_share
        fitting = min(fitting, math.floor(gpus / share) if share >= 1 else gpus * math.floor(1 / share))
    return max(1, min(fitting, workers or fitting))


def wall(runs: float, work: float, longest: float, at_once: int) -> float:
    """Time to the end of `runs` runs that take `work` in all, the longest one `longest`, `at_once` side by side."""
    return max(longest, work / runs * math.ceil(runs / at_once)) if runs else 0.0


def epochs_per_trial(rule: Rule | None, epochs: int, trials: int) -> Range:
    """The epochs that a search trial trains for, of `epochs` at most.

    From what the rule is meant to let through to no trial stopped; with one_epoch it is known. The likely value is
    simulated over `trials` trials whose order never changes; the first ones have nobody to fall behind.
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
    rungs = [rung for rung in asha.rungs if rung < asha.max_iter]
    if not rungs or not trials:
        return Range.of(epochs)
    steps = zip(rungs, [*rungs[1:], epochs], strict=True)
    meant = rungs[0] + sum((end - rung) / asha.eta ** (k + 1) for k, (rung, end) in enumerate(steps))
    likely = _simulated(trials, lambda values: _halved_epochs(asha, rungs, values, epochs))
    return Range(min(meant, likely), likely, epochs)


def _simulated(trials: int, spend: Callable[[Sequence[float]], float]) -> float:
    """The mean epochs per trial where `spend` says what trials of constant values take in all, coming one by one."""
    generator, repeats = random.Random(0), max(1, SIMULATED_TRIALS // trials)
    spent = sum(spend([generator.random() for _ in range(trials)]) for _ in range(repeats))
    return spent / (repeats * trials)


def _halved_epochs(asha: Asha, rungs: Sequence[float], values: Sequence[float], epochs: int) -> float:
    recorded: Mapping[float, list[float]] = {rung: [] for rung in rungs}
    spent = 0.0
    for value in values:
        stopped = None
        for rung in rungs:
            behind = asha.below_cutoff(value, recorded[rung])
            recorded[rung].append(value)
            if behind:
                stopped = rung
                break
        spent += math.ceil(epochs if stopped is None else stopped)
    return spent


def _median_epochs(rule: Median, values: Sequence[float], epochs: int) -> float:
    """Who is below the median of those before stops at the first look, where all of them have been."""
    ordered: list[float] = []
    spent = 0.0
    for number, value in enumerate(values):
        behind = number >= rule.min_trials and value < (ordered[(number - 1) // 2] + ordered[number // 2]) / 2
        spent += rule.min_iter if behind else epochs
        insort(ordered, value)
    return spent


def relative_work(
    settings: Mapping[str, Any], cost: Mapping[str, int], baseline: Mapping[str, int], epochs: int
) -> float:
    """The device time of a run in units of the baseline's: MACs of one example times epochs; 1 where uncounted."""
    macs = cost["macs"] / baseline["macs"] if cost.get("macs") and baseline.get("macs") else 1.0
    own = settings.get("epochs", epochs)
    return float(macs * (own / epochs if isinstance(own, int) else 1.0))


def spread(works: Sequence[float], trials: int, method: str) -> Range:
    """The mean work of `trials` configurations, given that of some that a uniform draw gave.

    A sampler that learns may settle anywhere: the 10th to the 90th percentile. Random draws and grids: mean ± 1.96
    standard errors. Exactly 1 where nothing is known.
    """
    if not works:
        return Range.of(1.0)
    mean = float(np.mean(works))
    if method == "bayes" or len(works) < 2:
        low, high = (float(bound) for bound in np.percentile(works, MIDDLE))
        return Range(min(low, mean), mean, max(high, mean))
    error = 1.96 * float(np.std(works, ddof=1)) / math.sqrt(max(1, trials))
    return Range(max(min(works), mean - error), mean, mean + error)
