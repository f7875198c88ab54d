"""What is concluded from finished searches: pairs by seed, corrected tests, bars, and what is left out of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from benchmarks.search_quality.comparison import Comparison, clear, favour, summary
from benchmarks.search_quality.policies import OURS, STOCK
from benchmarks.search_quality.problems import Table
from benchmarks.search_quality.report import text
from benchmarks.search_quality.searches import BUDGETS, MOMENTS, Search
from benchmarks.search_quality.statistics import holm, interval, signed_rank

SEEDS = 12


def problem(name: str) -> Table:
    return Table(name, "1", ["int3"], np.array([[0.0], [0.5], [1.0]]), np.arange(6.0).reshape(3, 2), np.ones(3))


def compared(regrets: dict[str, tuple[Sequence[float], Sequence[float]]], seeds: int = SEEDS) -> Comparison:
    """A comparison in which ours and stock have these regrets at 5, 10, 20 and 40, moved a little by the seed."""
    finished = {}
    for name, pair in regrets.items():
        for policy, levels in zip((OURS, STOCK), pair, strict=True):
            for seed in range(seeds):
                search = Search(name, "1", policy, 1, seed, 40)
                finished[search] = {**COST, "regret": [_level(levels, moment) + seed / 1000 for moment in MOMENTS]}
    return Comparison([problem(name) for name in regrets], list(finished), finished, BUDGETS)


COST = {"cpu_s": 1.0, "simulator_cpu_s": 0.1}


def _level(levels: Sequence[float], moment: float) -> float:
    reached = [level for budget, level in zip(BUDGETS, levels, strict=True) if moment >= budget]
    return reached[-1] if reached else 1.0


GOOD, MIDDLE, POOR = (0.4, 0.3, 0.1, 0.0), (0.5, 0.4, 0.3, 0.2), (0.6, 0.6, 0.6, 0.6)


def met(comparison: Comparison) -> dict[str, bool]:
    return {row["bar"]: row["met"] for row in summary(comparison)["bars"]["1"]}


def test_bars_are_met_by_who_is_better_everywhere() -> None:
    comparison = compared({"a": (GOOD, MIDDLE), "b": (GOOD, MIDDLE)})
    assert all(met(comparison).values())
    assert len(met(comparison)) == 5
    assert "**not met**" not in text(comparison, summary(comparison))


def test_one_problem_of_two_is_neither_most_nor_four_in_five() -> None:
    bars = met(compared({"a": (GOOD, MIDDLE), "b": (MIDDLE, MIDDLE)}))
    assert not bars["lower median regret than stock at 20"]
    assert not bars["lower median regret than stock at 5"]
    assert bars["clearly worse than stock"]


def test_clearly_worse_at_one_budget_is_named() -> None:
    comparison = compared({"a": (GOOD, MIDDLE), "b": ((0.4, 0.3, 0.1, 0.3), MIDDLE)})
    (row,) = [row for row in summary(comparison)["bars"]["1"] if row["bar"] == "clearly worse than stock"]
    assert (row["reached"], row["met"]) == ("b at 40", False)


def test_design_problems_count_for_no_bar() -> None:
    comparison = compared({"a": (GOOD, MIDDLE), "digits": (POOR, MIDDLE)})
    assert all(met(comparison).values())
    assert "digits *" in text(comparison, summary(comparison))


def test_time_to_stock_is_when_the_median_search_has_its_regret() -> None:
    comparison = compared({"a": (GOOD, MIDDLE), "b": (POOR, MIDDLE)})
    assert comparison.time_to_stock("a", 1) == 10 / 20
    assert comparison.time_to_stock("b", 1) == math.inf
    assert summary(comparison)["time_to_stock"]["1"]["b"] == "not reached"


def test_only_seeds_of_both_are_compared() -> None:
    comparison = compared({"a": (GOOD, MIDDLE)})
    half = {search: record for search, record in comparison.records.items() if search.policy == OURS or search.seed < 5}
    comparison = Comparison(list(comparison.problems.values()), comparison.planned, half, BUDGETS)
    assert comparison.against(STOCK, 1, 20, ["a"])["a"]["seeds"] == 5
    assert "7 of the plan are missing" in text(comparison, summary(comparison))


def test_direction_of_a_difference() -> None:
    row = compared({"a": (GOOD, MIDDLE)}).against(STOCK, 1, 20, ["a"])["a"]
    assert (row["better"], row["equal"], row["worse"]) == (SEEDS, 0, 0)
    assert row["difference"] == pytest.approx(-0.2)
    assert (favour(row), clear(row)) == (1, 1)
    row = compared({"a": (MIDDLE, GOOD)}).against(STOCK, 1, 20, ["a"])["a"]
    assert (favour(row), clear(row)) == (-1, -1)


@pytest.mark.parametrize(("n", "places"), [(20, (5, 14)), (6, (0, 5)), (2, (0, 1))])
def test_interval_of_the_median_is_between_order_statistics(n: int, places: tuple[int, int]) -> None:
    assert interval([float(n - place) for place in range(n)]) == (1.0 + places[0], 1.0 + places[1])


def test_holm_is_that_of_statsmodels() -> None:
    values = {"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.5}
    expected = multipletests(list(values.values()), method="holm")[1]
    assert list(holm(values).values()) == pytest.approx(list(expected))


def test_equal_searches_are_no_evidence() -> None:
    assert signed_rank([0.0] * 10) == 1.0
    assert signed_rank([0.0] * 10 + [0.1] * 10) < 0.01
