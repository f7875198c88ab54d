"""What the benchmark of search quality counts with: budgets, what is handed over, intervals of medians."""

from __future__ import annotations

import pytest

from benchmarks.policies import POLICIES, Step, affordable, best_finished, best_last_value, one_by_one, one_epoch
from benchmarks.search_quality import interval, regrets
from benchmarks.tabulated import read_table


def test_table_is_whole_and_its_problem_is_neither_flat_nor_trivial() -> None:
    table = read_table()
    assert len(table.curves) == 8 * 3 * 2 * 2 * 2 * 2
    assert {len(curve) for curve in table.curves.values()} == {27}
    last = sorted(curve[-1] for curve in table.curves.values())
    assert table.best - last[len(last) // 2] > 5
    first = max(table.curves, key=lambda name: table.curves[name][0])
    assert table.regret(first) > 0  # who leads after an epoch is not the best


def test_steps_end_with_the_budget() -> None:
    table = read_table()
    name = next(iter(table.curves))
    steps = [Step(0, name, epoch) for epoch in range(1, 28)]
    assert affordable(steps, 3.5 * table.epoch_seconds[name]) == steps[:3]


def test_stopped_trial_is_handed_over_only_by_who_looks_at_last_values() -> None:
    table = read_table()
    ranked = sorted(table.curves, key=lambda name: table.curves[name][-1])
    poor, good = ranked[0], ranked[-1]
    steps = [Step(0, poor, epoch) for epoch in range(1, 28)]
    steps += [Step(1, good, epoch) for epoch in range(1, 27)]
    assert best_finished(steps) == poor
    assert best_last_value(steps) == good


@pytest.mark.parametrize(("n", "places"), [(20, (5, 14)), (6, (0, 5)), (2, (0, 1))])
def test_interval_of_the_median_is_between_order_statistics(n: int, places: tuple[int, int]) -> None:
    assert interval([float(n - place) for place in range(n)]) == (1.0 + places[0], 1.0 + places[1])


def test_one_epoch_spends_what_it_is_given_and_trains_the_best_fully() -> None:
    limit = 6 * read_table().full_seconds
    trace = one_epoch(0, limit, top=3)
    assert affordable(trace, limit) == trace
    assert sum(step.epoch == 27 for step in trace) == 3


def test_rules_only_shorten_trials() -> None:
    table = read_table()
    whole = one_by_one(0, 5 * table.full_seconds, None)
    assert [step.epoch for step in whole[:27]] == list(range(1, 28))
    assert len({step.trial for step in POLICIES["random, asha"].search(0, 5 * table.full_seconds)}) > 8


def test_engine_searches_the_table_as_it_would_train() -> None:
    regret_values = regrets(POLICIES["sweep: TPE, asha"], 0, [2])
    assert 0 <= regret_values[0] < read_table().best
