"""The comparison of the simulated stock search with Ray Tune itself; the runs of Tune are the benchmark's."""

from __future__ import annotations

from benchmarks.search_quality.check_stock import Pair
from benchmarks.search_quality.problems import regret
from benchmarks.search_quality.simulator import Step, Task, Trace, simulate
from benchmarks.search_quality.stock import Stock
from benchmarks.search_quality.tables import OWN, read_csv

DIGITS = read_csv(OWN / "digits.csv.gz")
TRACE = simulate(DIGITS, Stock(Task(DIGITS.space, DIGITS.epochs, 1, 10, 0)), 10)


def pair(simulated: Trace) -> Pair:
    return Pair(DIGITS, 0, TRACE, simulated)


def test_equal_traces_are_equal() -> None:
    same = pair(Trace(dict(TRACE.parameters), list(TRACE.steps)))
    assert same.equal
    assert same.first_difference is None


def test_first_difference_names_the_epoch_and_both_configurations() -> None:
    other = {**TRACE.parameters, 1: {**TRACE.parameters[1], "x0": 7 - TRACE.parameters[1]["x0"]}}
    differs = pair(Trace(other, TRACE.steps))
    assert not differs.equal
    assert differs.first_difference == (
        f"Tune: trial 1 epoch 1 of {dict(TRACE.parameters[1])}; simulated: trial 1 epoch 1 of {other[1]}"
    )


def test_trial_that_goes_on_longer_is_a_difference() -> None:
    last = TRACE.steps[-1]
    longer = [*TRACE.steps, Step(last.time + 1, last.trial, last.epoch + 1, last.value)]
    assert pair(Trace(TRACE.parameters, longer)).first_difference == (
        f"Tune: {len(TRACE.steps)} steps; simulated: {len(longer)}"
    )


def test_regret_is_that_of_the_best_last_value_at_each_budget() -> None:
    at_5, at_10 = pair(TRACE).regrets(TRACE)
    best = max(TRACE.last().values(), key=lambda step: step.value)
    assert at_10 == round(regret(DIGITS, TRACE.parameters[best.trial]), 6)
    assert at_5 >= 0
