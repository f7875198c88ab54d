"""The learning rate, and onecycle's momentum, as pure functions of the step."""

from __future__ import annotations

import math
from bisect import bisect_right

from cifar_sweep.recipe import ScheduleRecipe


def learning_rate(schedule: ScheduleRecipe, peak: float, step: int, steps_per_epoch: int, epochs: int) -> float:
    """Return the learning rate of a step.

    Args:
        schedule: The schedule.
        peak: Peak learning rate.
        step: The step, counted from 0 over the whole training.
        steps_per_epoch: Steps in each epoch.
        epochs: Epochs of the whole training.
    """
    total = epochs * steps_per_epoch
    if schedule.name == "onecycle":
        start = peak / schedule.div_factor
        return _one_cycle(schedule, step, total, start, peak, start / schedule.final_div_factor)
    warmup = schedule.warmup_epochs * steps_per_epoch
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * _decay(schedule, step, warmup, total, steps_per_epoch)


def momentum(schedule: ScheduleRecipe, step: int, steps_per_epoch: int, epochs: int) -> float | None:
    """Return the momentum of a step of onecycle (Smith & Topin 2017, arXiv:1708.07120).

    None, and so the optimizer's own momentum, for other schedules and without `momentum_range`. Arguments are those of
    `learning_rate`.
    """
    if schedule.name != "onecycle" or schedule.momentum_range is None:
        return None
    low, high = schedule.momentum_range
    return _one_cycle(schedule, step, epochs * steps_per_epoch, high, low, high)


def _decay(schedule: ScheduleRecipe, step: int, warmup: int, total: int, steps_per_epoch: int) -> float:
    """Return the share of the peak learning rate that a step after the warm-up has."""
    since_warmup, remaining = step - warmup, total - warmup
    if schedule.name == "cosine":
        return _cosine(1.0, schedule.final_lr, since_warmup / remaining)
    if schedule.name == "linear":
        return 1 - (1 - schedule.final_lr) * since_warmup / remaining
    if schedule.name == "step":
        return schedule.gamma ** (since_warmup // (schedule.step_epochs * steps_per_epoch))
    if schedule.name == "multistep":
        return schedule.gamma ** bisect_right(schedule.milestones, step // steps_per_epoch)
    if schedule.name == "cosine_restarts":
        return _cosine(1.0, schedule.final_lr, _progress_in_cycle(schedule, since_warmup, steps_per_epoch))
    return 1.0


def _progress_in_cycle(schedule: ScheduleRecipe, since_warmup: int, steps_per_epoch: int) -> float:
    """Return how far the present cycle is, from 0 to 1 (Loshchilov & Hutter 2016, arXiv:1608.03983)."""
    length = schedule.cycle_epochs * steps_per_epoch
    while since_warmup >= length:
        since_warmup -= length
        length *= schedule.cycle_factor
    return since_warmup / length


def _one_cycle(schedule: ScheduleRecipe, step: int, total: int, start: float, middle: float, end: float) -> float:
    """Go from `start` to `middle` in the first `pct_start` of the steps, then to `end` at the last, in half cosines."""
    turn, last = schedule.pct_start * total - 1, total - 1
    if step < turn:
        return _cosine(start, middle, step / turn)
    turn = max(turn, 0.0)  # a rise of less than one step begins at its top
    return _cosine(middle, end, (step - turn) / (last - turn)) if last > turn else middle


def _cosine(first: float, last: float, progress: float) -> float:
    """Go in a half cosine from `first` at progress 0 to `last` at progress 1."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * progress))
