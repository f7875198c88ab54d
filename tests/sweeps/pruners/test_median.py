"""The median rule decides as Ray's MedianStoppingRule, from the recorded curves alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from sweeps.pruners.median import Median

HISTORIES = 200


def random_history(generator: np.random.Generator) -> tuple[Median, int, list[tuple[int, float]]]:
    """A rule, the epochs of a trial, and results in the order in which they arrive: (trial, value)."""
    epochs = int(generator.integers(2, 12))
    goal = "maximize" if generator.random() < 0.5 else "minimize"
    rule = Median(int(generator.integers(1, 4)), int(generator.integers(1, 6)), goal)
    arrivals = np.repeat(np.arange(int(generator.integers(2, 14))), epochs)
    generator.shuffle(arrivals)
    digits = int(generator.choice([0, 1, 6]))
    return rule, epochs, [(int(trial), round(float(generator.normal()), digits)) for trial in arrivals]


def decisions(stops: Any, epochs: int, history: list[tuple[int, float]]) -> list[tuple[int, int, bool]]:
    """The decision of `stops(number, epoch, value)` for each result of a trial that still runs."""
    results, reached, over = [], dict.fromkeys((number for number, _ in history), 0), set()
    for number, value in history:
        if number in over:
            continue
        reached[number] += 1
        stopped = stops(number, reached[number], value)
        results.append((number, reached[number], stopped))
        if stopped or reached[number] >= epochs:
            over.add(number)
    return results


class Named:
    """A trial, as far as the rule looks at it: something with an id."""

    def __init__(self, number: int) -> None:
        self.trial_id = str(number)


def ray_rule(rule: Median) -> Any:
    from ray.tune.schedulers import MedianStoppingRule, TrialScheduler

    scheduler = MedianStoppingRule(
        time_attr="epoch", metric="value", mode="max" if rule.goal == "maximize" else "min",
        grace_period=rule.min_iter, min_samples_required=rule.min_trials,
    )  # fmt: skip
    trials: dict[int, Any] = {}
    controller = SimpleNamespace(get_live_trials=list)  # nobody is pending, so it never pauses one for another

    def stops(number: int, epoch: int, value: float) -> bool:
        trial = trials.setdefault(number, Named(number))
        decision = scheduler.on_trial_result(controller, trial, {"epoch": epoch, "value": value})
        return bool(decision == TrialScheduler.STOP)

    return stops


def our_rule(rule: Median) -> Any:
    curves: dict[int, dict[int, float]] = {}

    def stops(number: int, epoch: int, value: float) -> bool:
        curves.setdefault(number, {})[epoch] = value
        return rule.stops(number, curves)

    return stops


def test_decides_as_rays_median_stopping_rule_on_random_histories() -> None:
    stopped = 0
    for seed in range(HISTORIES):
        rule, epochs, history = random_history(np.random.default_rng(seed))
        ours = decisions(our_rule(rule), epochs, history)
        assert ours == decisions(ray_rule(rule), epochs, history), (seed, rule)
        stopped += sum(decision for _, _, decision in ours)
    assert stopped > HISTORIES


def test_best_value_so_far_is_held_against_averages() -> None:
    others = {number: {1: 2.0, 2: 4.0} for number in (1, 2, 3)}  # average 3
    rule = Median(1, 3, "maximize")
    assert rule.stops(0, {0: {1: 2.9, 2: 0.0}, **others})
    assert not rule.stops(0, {0: {1: 3.0, 2: 0.0}, **others})


def test_too_few_others_stop_nobody() -> None:
    curves = {0: {1: 0.0}, 1: {1: 9.0}, 2: {1: 9.0}, 3: {}}
    assert Median(1, 2, "maximize").stops(0, curves)
    assert not Median(1, 3, "maximize").stops(0, curves)
    assert not Median(2, 1, "maximize").stops(0, curves)
