"""Hyperband decides as Ray's brackets; a trial's number determines its bracket."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from sweeps.pruners.hyperband import Hyperband
from tests.sweeps.pruners.replay import Decisions, History, ours, rays

HISTORIES = 120


def random_history(generator: np.random.Generator) -> tuple[Hyperband, History]:
    """A rule and results in the order in which they arrive: (trial, value)."""
    min_iter, eta = int(generator.integers(1, 3)), int(generator.integers(2, 5))
    max_iter = min_iter * eta + int(generator.integers(0, 30))
    goal = "maximize" if generator.random() < 0.5 else "minimize"
    rule = Hyperband(min_iter, max_iter, eta, goal, int(generator.choice([1, 2, 3])))
    arrivals = np.repeat(np.arange(int(generator.integers(4, 16))), max_iter)
    generator.shuffle(arrivals)
    return rule, [(int(trial), round(float(generator.normal()), 1)) for trial in arrivals]


def ray_decisions(rule: Hyperband, history: History) -> Decisions:
    """The decisions of Ray's brackets, with every trial in the bracket that our rule assigns."""
    from ray.tune.schedulers import ASHAScheduler

    scheduler = ASHAScheduler(
        time_attr="epoch", metric="value", mode="max" if rule.goal == "maximize" else "min",
        grace_period=rule.min_iter, max_t=rule.max_iter, reduction_factor=rule.eta, brackets=len(rule.ladders),
    )  # fmt: skip
    trials = {number: SimpleNamespace(trial_id=str(number)) for number, _ in history}
    for number, trial in trials.items():
        scheduler._trial_info[trial.trial_id] = scheduler._brackets[rule.bracket(number)]
    return rays(scheduler, trials, rule.max_iter, history)


def test_decides_as_rays_brackets_on_random_histories() -> None:
    pruned, brackets = 0, set()
    for seed in range(HISTORIES):
        rule, history = random_history(np.random.default_rng(seed))
        decided = ours(rule, history)
        assert decided == ray_decisions(rule, history), (seed, rule)
        pruned += sum(stopped for _, _, stopped in decided)
        brackets |= {rule.bracket(number) for number, _ in history}
    assert pruned > HISTORIES
    assert brackets == {0, 1, 2}


def test_brackets_start_ever_later_and_the_last_stops_nobody() -> None:
    rule = Hyperband(1, 27, 3, "maximize")
    assert [ladder.judged(27) for ladder in rule.ladders] == [(1, 3, 9), (3, 9), (9,), ()]
    assert rule.judged(27) == (1, 3, 9)


@pytest.mark.parametrize("trials", [20, 100])
def test_brackets_hold_their_share_of_the_trials_at_any_time(trials: int) -> None:
    rule = Hyperband(1, 27, 3, "maximize")
    held = Counter(rule.bracket(number) for number in range(trials))
    assert rule.shares == pytest.approx([27 / 49, 12 / 49, 6 / 49, 4 / 49], abs=1e-9)  # n of the paper's brackets
    for bracket, share in enumerate(rule.shares):
        assert abs(held[bracket] - share * trials) <= 2
