"""The axes of the figures: whole numbers for counts, and labels of a logarithmic axis that stand apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from sweeps.report.figures.theme import MOST_LOG_MARKS, count_axis, log_axis
from sweeps.storage.results import Results
from sweeps.trial.trial import Status

from .conftest import trial_of
from .promoted import RULE, promoted_search
from .test_search_data import plot_of

Make = Callable[..., Results]


def test_five_trials_are_counted_in_whole_steps(make_results: Make) -> None:
    results = make_results(*(trial_of(number) for number in range(4)), trial_of(4, Status.PRUNED, curve={1: 5.0}))
    assert plot_of("history", results).figure.layout.xaxis.dtick == 1
    assert plot_of("timeline", results).figure.layout.yaxis.dtick == 1
    assert plot_of("rungs", results).figure.layout.yaxis.dtick == 1


def test_decisions_are_counted_in_whole_steps(make_results: Make) -> None:
    axis = plot_of("ladder", make_results(*promoted_search(), early_terminate=RULE)).figure.layout.xaxis
    assert isinstance(axis.dtick, int)


@pytest.mark.parametrize("last", [0, 1, 4, 12, 13, 24, 25, 60])
def test_steps_of_a_count_are_whole_and_leave_at_most_13_labels(last: int) -> None:
    step = count_axis("trial", last)["dtick"]
    assert isinstance(step, int)
    assert last // step + 1 <= 13


def test_parameters_over_decades_have_labels_apart(make_results: Make) -> None:
    trials = [trial_of(number, cost={"parameters": size}) for number, size in enumerate((900, 9_000, 120_000))]
    marks = plot_of("pareto_front", make_results(*trials)).figure.layout.xaxis.tickvals
    assert all(two / one >= 1.9 for one, two in pairwise(marks))
    assert 2 <= len(marks) <= MOST_LOG_MARKS


@pytest.mark.parametrize(("low", "high"), [(900, 11_000), (1, 1e7), (85_000, 1_000_000), (2e-5, 3.0)])
def test_a_log_axis_has_few_marks_inside_its_range(low: float, high: float) -> None:
    axis = log_axis("parameters", low, high)
    assert axis["type"] == "log"
    assert 2 <= len(axis["tickvals"]) <= MOST_LOG_MARKS + 2
    assert all(math.log10(two / one) >= 0.29 for one, two in pairwise(axis["tickvals"]))
    assert 0.8 * low <= axis["tickvals"][0]
    assert axis["tickvals"][-1] <= 1.2 * high


@pytest.mark.parametrize(("limit", "step"), [("parameters <= 90_000", None), ("parameters <= 60_014", 1)])
def test_sizes_that_are_near_are_counted_one_by_one_unless_the_budget_is_far(
    make_results: Make, limit: str, step: int | None
) -> None:
    trials = [trial_of(number, cost={"parameters": 60_007 + number}) for number in range(3)]
    axis = plot_of("pareto_front", make_results(*trials, constraints=[limit])).figure.layout.xaxis
    assert axis.dtick == step
