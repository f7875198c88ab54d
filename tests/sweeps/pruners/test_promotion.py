"""Successive halving that pauses: who goes on, who is closest to the end, who has no hope left."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from sweeps.pruners.base import Curve
from sweeps.pruners.promotion import Due, Promotion

RULE = Promotion(1, 27, 3, "maximize")


def at(epoch: int, *values: float) -> dict[int, dict[int, float]]:
    """Trials 0, 1, ... that have reached an epoch with these values."""
    return {number: dict.fromkeys(range(1, epoch + 1), value) for number, value in enumerate(values)}


@pytest.mark.parametrize(
    ("rule", "rungs"),
    [
        (RULE, (1, 3, 9)),
        (Promotion(1, 28, 3, "maximize"), (1, 3, 9, 27)),
        (Promotion(2, 16, 2, "maximize"), (2, 4, 8)),
        (Promotion(5, 4, 2, "maximize"), ()),
        (Promotion(1, 27, 3, "maximize", None), (1, 3, 9)),
    ],
)
def test_rungs_are_below_the_last_epoch(rule: Promotion, rungs: tuple[int, ...]) -> None:
    assert rule.rungs == rungs
    assert [rule.until(0, epoch) for epoch in (0, *rungs)] == [*rungs, rule.max_iter]


def test_rungs_that_are_not_worth_the_loading_are_passed_over() -> None:
    assert [RULE.until(0, 1, shortest) for shortest in (0, 2, 2.5, 8, 9)] == [3, 3, 9, 9, 27]


def test_nobody_goes_on_before_one_place_is_earned() -> None:
    assert RULE.due(at(1, 0.5, 0.6), {0, 1}) is None
    assert RULE.due(at(1, 0.5, 0.6, 0.4), {0, 1, 2}) == Due(1, rung=1, reached=3, go_on=1, place=1)


def test_a_place_that_is_taken_is_not_given_twice() -> None:
    curves = {**at(1, 0.5, 0.6, 0.4), 1: {1: 0.6, 2: 0.7}}
    assert RULE.due(curves, {0, 2}) is None
    five = at(1, 0.5, 0.6, 0.4, 0.1, 0.2) | {1: {1: 0.6, 2: 0.7}}
    assert RULE.due(five, {0, 2, 3, 4}) is None
    six = five | {5: {1: 0.55}}
    assert RULE.due(six, {0, 2, 3, 4, 5}) == Due(5, rung=1, reached=6, go_on=2, place=2)


def test_the_highest_rung_comes_first_and_a_minimised_metric_turns_the_order() -> None:
    curves = at(1, 6, 5, 4, 3, 2, 1) | {n: {1: 0.5, 2: 0.4, 3: value} for n, value in ((6, 3), (7, 1), (8, 2))}
    assert RULE.due(curves, curves) == Due(6, rung=3, reached=3, go_on=1, place=1)
    falling = Promotion(1, 27, 3, "minimize")
    assert falling.due(curves, curves) == Due(7, rung=3, reached=3, go_on=1, place=1)


def test_of_equal_values_the_lower_number_goes_on() -> None:
    assert RULE.due(at(1, 0.5, 0.5, 0.5), {0, 1, 2}) == Due(0, rung=1, reached=3, go_on=1, place=1)


def test_broken_trials_count_as_the_worst_of_the_rung_that_they_were_on_the_way_to() -> None:
    curves: dict[int, Curve] = {0: {1: 0.1}, 1: {}, 2: {}}
    assert RULE.due(curves, {0}) is None
    assert RULE.due(curves, {0}, broken={1, 2}) == Due(0, rung=1, reached=3, go_on=1, place=1)
    later = at(3, 0.1) | {1: {1: 0.9}, 2: {1: 0.8, 2: 0.8}}
    assert RULE.due(later, {0}, broken={1, 2}) == Due(0, rung=3, reached=3, go_on=1, place=1)
    assert RULE.due(later, {0}, broken={1}) is None


def test_closest_to_the_end_is_the_best_of_the_highest_rung() -> None:
    curves = at(1, 0.9, 0.8) | {2: {1: 0.1, 2: 0.1, 3: 0.2}, 3: {1: 0.1, 2: 0.1, 3: 0.3}}
    assert RULE.closest(curves, curves) == Due(3, rung=3, reached=2, go_on=0, place=1)
    assert RULE.closest(curves, {0, 1}) == Due(0, rung=1, reached=4, go_on=1, place=1)
    assert RULE.closest(curves, ()) is None


def test_brackets_are_compared_within_themselves() -> None:
    rule = Promotion(1, 27, 3, "maximize", None)
    brackets = {number: rule.bracket(number) for number in range(40)}
    assert set(brackets.values()) == {0, 1, 2, 3}
    assert {rule.until(number, 0) for number in brackets if brackets[number] == 1} == {3}
    assert {rule.until(number, 0) for number in brackets if brackets[number] == 3} == {27}
    first, second = (sorted(n for n in brackets if brackets[n] == bracket)[:3] for bracket in (0, 1))
    curves: dict[int, Curve] = {n: {1: 0.1, 2: 0.1, 3: value} for n, value in zip(second, (1, 2, 3), strict=True)}
    curves |= {n: {1: 0.5, 2: 0.5, 3: 9 + n} for n in first[:2]}
    assert rule.due(curves, curves) == Due(second[2], rung=3, reached=3, go_on=1, place=1)
    assert rule.due({n: curves[n] for n in (*second[:2], *first[:2])}, curves.keys() - {second[2]}) is None


def test_who_is_too_far_behind_for_all_that_may_come_has_no_hope() -> None:
    curves = at(1, 6, 5, 4, 3, 2, 1)
    assert RULE.hopeless(curves, curves, newcomers=0) == {2, 3, 4, 5}
    assert RULE.hopeless(curves, curves, newcomers=6) == {4, 5}
    assert RULE.hopeless(curves, curves, newcomers=12) == set()
    assert RULE.hopeless(curves, curves, training=(10, 11, 12), newcomers=3) == {4, 5}


def test_no_trial_without_hope_is_ever_due() -> None:
    for seed in range(60):
        draw = random.Random(seed)
        rule = Promotion(1, 9, draw.choice([2, 3]), "maximize", draw.choice([1, None]))
        cap, workers = draw.randrange(4, 20), draw.randrange(1, 4)
        without_hope = _searched(rule, draw, cap, workers)
        assert without_hope or cap < 6


def _searched(rule: Promotion, draw: random.Random, cap: int, workers: int) -> set[int]:
    """Search with random values by several workers; the trials that were without hope. They must never be due."""
    curves: dict[int, dict[int, float]] = {}
    waiting: set[int] = set()
    broken: set[int] = set()
    training: dict[int, int] = {}
    without_hope: set[int] = set()
    while True:
        while len(training) < workers:
            due = rule.due(curves, waiting, broken)
            if due is not None:
                assert due.number not in without_hope
                waiting.discard(due.number)
                training[due.number] = rule.until(due.number, due.rung)
            elif len(curves) < cap:
                number = len(curves)
                curves[number] = {}
                training[number] = rule.until(number, 0)
            else:
                break
        if not training:
            return without_hope
        number = draw.choice(sorted(training))
        until = training.pop(number)
        if draw.random() < 0.1:
            broken.add(number)
        else:
            curves[number].update({epoch: draw.random() for epoch in range(len(curves[number]) + 1, until + 1)})
            waiting |= {number} if until < rule.max_iter else set()
        newcomers = cap - len(curves)
        without_hope |= rule.hopeless(curves, waiting, broken, training, newcomers)


def test_the_same_curves_give_the_same_decision_whatever_their_order() -> None:
    curves: Mapping[int, Curve] = at(1, *(random.Random(1).sample(range(50), 20)))
    shuffled = dict(sorted(curves.items(), key=lambda item: -item[0]))
    assert RULE.due(curves, curves) == RULE.due(shuffled, set(shuffled))
