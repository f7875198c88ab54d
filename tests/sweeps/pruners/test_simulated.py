"""Promotion, simulated: the same as the rule says, whatever limits the search."""

from __future__ import annotations

import random

import pytest

from sweeps.pruners.promotion import Promotion
from sweeps.pruners.simulated import simulate

RULE = Promotion(1, 27, 2, "maximize")


def trained(rule: Promotion, values: list[float], finalists: int) -> tuple[int, dict[int, int], int]:
    """The epochs of a search by the rule itself, how many reached each rung, and how many the end."""
    curves: dict[int, dict[int, float]] = {}
    reached: dict[int, int] = dict.fromkeys(rule.rungs, 0)
    waiting: set[int] = set()
    epochs = completed = 0
    while True:
        due = rule.due(curves, waiting)
        if due is None and len(curves) == len(values):
            due = rule.closest(curves, waiting) if completed < finalists else None
            number, start = (due.number, due.rung) if due else (-1, 0)
            until = rule.max_iter
        elif due is None:
            number, start = len(curves), 0
            until = rule.until(number, 0)
        else:
            number, start = due.number, due.rung
            until = rule.until(number, start)
        if number < 0:
            return epochs, reached, completed
        waiting.discard(number)
        curve = curves.setdefault(number, {})
        for epoch in range(start + 1, until + 1):
            curve[epoch] = values[number]
        epochs += until - start
        for rung in rule.rungs:
            reached[rung] += start < rung <= until
        completed += until >= rule.max_iter
        if until < rule.max_iter:
            waiting.add(number)


@pytest.mark.parametrize(
    "rule", [RULE, Promotion(2, 27, 3, "maximize"), Promotion(1, 27, 3, "maximize", brackets=None)]
)
@pytest.mark.parametrize("finalists", [1, 3])
def test_simulated_searches_are_those_of_the_rule(rule: Promotion, finalists: int) -> None:
    trials, searches = 20, 30  # as many searches as are simulated of that size
    by_rule = []
    for seed in range(searches):
        generator = random.Random(seed)
        by_rule.append(trained(rule, [-generator.random() for _ in range(trials)], finalists))
    simulated = simulate(rule, trials, None, finalists)
    assert simulated.epochs == pytest.approx(sum(epochs for epochs, _, _ in by_rule) / searches)
    assert simulated.completed == pytest.approx(sum(completed for _, _, completed in by_rule) / searches)
    for rung in rule.rungs:
        assert simulated.reached[rung] == pytest.approx(sum(reached[rung] for _, reached, _ in by_rule) / searches)


def test_search_that_epochs_limit_uses_them_and_finishes_its_finalists() -> None:
    simulated = simulate(RULE, None, 20 * 27, 3)
    assert 19.5 * 27 < simulated.epochs <= 20 * 27
    assert simulated.completed >= 3
    assert simulated.fewest > 20


def test_least_budget_finishes_one() -> None:
    simulated = simulate(RULE, None, 27, 1)
    assert (simulated.trials, simulated.completed, simulated.epochs) == (1, 1, 27)


def test_no_more_wait_at_once_than_were_begun() -> None:
    simulated = simulate(RULE, 40, None, 2)
    assert 0 < simulated.paused <= 40
    assert simulated.reached[1] == 40


def test_search_of_very_many_trials_is_scaled_up_from_fewer() -> None:
    many, few = simulate(RULE, 200_000, None, 1), simulate(RULE, 2_000, None, 1)
    assert many.trials == many.reached[1] == 200_000
    assert many.epochs == pytest.approx(100 * few.epochs)
    by_epochs = simulate(RULE, None, 27 * 10_000, 1)
    assert by_epochs.epochs == pytest.approx(27 * 10_000, rel=0.01)
