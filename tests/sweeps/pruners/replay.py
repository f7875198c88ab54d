"""Replay histories of results to a pruner, and to a scheduler of Ray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.pruners.asha import Asha
from sweeps.pruners.hyperband import Hyperband

History = list[tuple[int, float]]  # (trial, value) in the order of arrival; a trial's n-th value is that of epoch n
Decisions = list[tuple[int, int, bool]]  # (trial, epoch, whether it stops there) of every result of a trial that runs


def ours(rule: Asha | Hyperband, history: History) -> Decisions:
    """The decisions of `rule`."""
    curves: dict[int, dict[int, float]] = {number: {} for number, _ in history}
    decisions, over = [], set()
    for number, value in history:
        if number in over:
            continue
        curve = curves[number]
        curve[len(curve) + 1] = value
        stopped = rule.stops(number, curves)
        decisions.append((number, len(curve), stopped))
        if stopped or len(curve) >= rule.max_iter:
            over.add(number)
    return decisions


def rays(scheduler: Any, trials: Mapping[int, Any], max_iter: int, history: History) -> Decisions:
    """The decisions of Ray's `scheduler`, to which the `trials` have been added."""
    from ray.tune.schedulers import TrialScheduler

    decisions, epochs, over = [], dict.fromkeys(trials, 0), set()
    for number, value in history:
        if number in over:
            continue
        epochs[number] += 1
        decision = scheduler.on_trial_result(None, trials[number], {"epoch": epochs[number], "value": value})
        ended = epochs[number] >= max_iter  # Ray says STOP there too: the trial is over, not pruned
        decisions.append((number, epochs[number], decision == TrialScheduler.STOP and not ended))
        if decision == TrialScheduler.STOP:
            over.add(number)
    return decisions
