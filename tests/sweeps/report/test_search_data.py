from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from sweeps.evidence.findings import Findings
from sweeps.evidence.selection import baseline_trial
from sweeps.report.data import ReportData
from sweeps.report.figures import search_data as series
from sweeps.report.figures.panel import Plot
from sweeps.report.figures.registry import FIGURES
from sweeps.report.tables.frames import best_table, trials_table
from sweeps.space.space import Categorical, Numeric
from sweeps.storage.results import Results
from sweeps.trial.trial import Status

from .conftest import trial_of

Make = Callable[..., Results]


def plot_of(name: str, results: Results) -> Plot:
    """A figure of the page, with its data and its caption."""
    plot = FIGURES[name].plot(ReportData(Findings.of(results), ()))
    assert plot is not None
    return plot


def _sized(number: int, value: float, parameters: int) -> Any:
    return trial_of(number, curve={1: value}, cost={"parameters": parameters})


@pytest.mark.parametrize(("goal", "front"), [("maximize", {1, 3, 4}), ("minimize", {2})])
def test_the_front_holds_what_nothing_better_undercuts(make_results: Make, goal: str, front: set[int]) -> None:
    trials = [_sized(1, 90, 500), _sized(2, 60, 100), _sized(3, 80, 300), _sized(4, 70, 100), _sized(5, 80, 400)]
    data = plot_of("pareto_front", make_results(*trials, metric={"name": "val_accuracy", "goal": goal})).data
    assert set(data[data["front"].astype(bool)]["trial"]) == front


def test_rejected_trials_are_shown_by_their_size_alone(make_results: Make) -> None:
    results = make_results(trial_of(0), trial_of(1, Status.REJECTED, cost={"parameters": 200_000}))
    data = plot_of("pareto_front", results).data
    assert data.iloc[1].to_dict() == {
        "trial": 1,
        "parameters": 200_000,
        "value": None,
        "group": "rejected",
        "front": False,
    }


def test_a_long_curve_keeps_its_ends_and_at_most_200_points(make_results: Make) -> None:
    curve = {epoch: float(epoch) for epoch in range(1, 1001)}
    data = plot_of("learning_curves", make_results(trial_of(0, curve=curve))).data
    assert len(data) == 200
    assert (data["epoch"].iloc[0], data["epoch"].iloc[-1]) == (1, 1000)
    assert (data["value"] == data["epoch"]).all()


def test_many_curves_are_thinned_together_and_none_is_dropped(make_results: Make) -> None:
    curve = {epoch: float(epoch) for epoch in range(1, 151)}
    plot = plot_of("learning_curves", make_results(*(trial_of(number, curve=curve) for number in range(1_000))))
    data = plot.data
    assert len(data) == series.MOST_OF_ALL
    ends = data.groupby("trial")["epoch"].agg(["first", "last"])
    assert len(ends) == 1_000
    assert ((ends["first"] == 1) & (ends["last"] == 150)).all()
    assert "80,000 of 150,000 values" in plot.caption


@pytest.mark.parametrize(("last", "step"), [(5, 1), (12, 1), (13, 2), (60, 5), (300, None)])
def test_epochs_are_labelled_with_whole_numbers(make_results: Make, last: int, step: int | None) -> None:
    results = make_results(trial_of(0, curve={epoch: float(epoch) for epoch in range(1, last + 1)}))
    assert plot_of("learning_curves", results).figure.layout.xaxis.dtick == step


def test_only_completed_trials_move_the_best_so_far(make_results: Make) -> None:
    trials = [
        trial_of(0, curve={1: 70.0}),
        trial_of(1, Status.PRUNED, curve={1: 99.0}),
        trial_of(2, curve={1: 60.0}),
        trial_of(3, Status.DIVERGED, curve={1: 50.0, 2: math.nan}),
        trial_of(4, curve={1: 80.0}),
    ]
    data = plot_of("history", make_results(*trials)).data
    assert list(data["best so far"]) == [70.0, 70.0, 70.0, 70.0, 80.0]
    assert list(data["value"]) == [70.0, 99.0, 60.0, 50.0, 80.0]
    assert list(data["group"]) == ["complete", "pruned", "complete", "diverged", "best"]


@pytest.mark.parametrize(
    ("dimension", "value", "position"),
    [
        (Numeric(key="a", low=0.001, high=0.1, log=True), 0.01, 0.5),
        (Numeric(key="a", low=0.1, high=0.10000000000000002, log=True), 0.1, 0.5),
        (Numeric(key="a", low=0, high=4), 1, 0.25),
        (Numeric(key="a", low=0, high=4), 5, None),
        (Categorical(key="a", values=([1, 1], [2, 1])), (2, 1), 0.75),
        (Categorical(key="a", values=("x", "y")), "z", None),
        (Categorical(key="a", values=(None, "null", "None")), "null", 0.5),
        (Categorical(key="a", values=("true", "1", True, [1])), True, 0.625),
        (Categorical(key="a", values=("1", 2, 1)), 1, 5 / 6),
    ],
)
def test_a_setting_lies_where_its_range_puts_it(dimension: Any, value: Any, position: float | None) -> None:
    assert series.position_of(dimension, value) == (None if position is None else pytest.approx(position))


def test_survivors_are_counted_at_every_epoch_and_judged_at_the_rungs(make_results: Make) -> None:
    whole = dict.fromkeys(range(1, 10), 60.0)
    trials = [trial_of(0, curve=whole), trial_of(1, Status.PRUNED, curve={1: 5.0}), trial_of(2, Status.PRUNED)]
    data = series.rungs(make_results(*trials))
    assert list(data["reached"]) == [3, 2, 1, 1, 1, 1, 1, 1, 1]
    assert list(data["pruned"])[:3] == [1, 1, 0]
    assert list(data[data["rung"].astype(bool)]["epoch"]) == [1, 3]


def test_the_timeline_counts_minutes_from_the_first_start(make_results: Make) -> None:
    results = make_results(trial_of(1), trial_of(2, Status.REJECTED), trial_of(3, Status.RUNNING))
    data = plot_of("timeline", results).data
    assert data[["trial", "start", "finish"]].to_numpy().tolist() == [[1, 0.0, 2.0], [3, 6.0, 6.0]]


BASELINE = {"optimizer.lr": 0.05, "optimizer.name": "sgd", "optimizer.momentum": 0.9, "model.blocks": (1, 1)}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [({}, True), ({"optimizer.lr": 0.1}, False), ({"unnamed": 1}, False), ({"model.blocks": [2, 1]}, False)],
)
def test_trial_0_is_the_baseline_when_every_setting_is_written_there(
    make_results: Make, changed: dict[str, Any], expected: bool
) -> None:
    results = make_results(trial_of(0, parameters=BASELINE | changed))
    assert (baseline_trial(results) is results.trials[0]) is expected


def test_the_baseline_follows_the_best_where_it_is_not_among_them(make_results: Make) -> None:
    trials = [trial_of(0, parameters=BASELINE, curve={1: 1.0}), *(trial_of(number) for number in range(1, 15))]
    frame = best_table(Findings.of(make_results(*trials)), top=3)
    assert list(frame["trial"]) == [1, 2, 3, 0]
    assert list(frame["rank"]) == [1, 2, 3, 15]
    assert list(frame["role"]) == [None, None, None, "baseline"]


def test_a_setting_named_like_a_fact_keeps_a_column_of_its_own(make_results: Make) -> None:
    parameters = {"seed": {"values": [7, 8]}, "seconds": {"values": [1, 2]}}
    results = make_results(trial_of(3, parameters={"seed": 7, "seconds": 1}), parameters=parameters)
    frame = trials_table(Findings.of(results))
    assert frame.columns.is_unique
    assert (frame["seed"].iloc[0], frame["seed (setting)"].iloc[0], frame["seconds (setting)"].iloc[0]) == (3, 7, 1)


@pytest.mark.parametrize(("status", "said"), [(Status.PRUNED, True), (Status.FAILED, False)])
def test_the_caption_of_the_curves_speaks_of_pruned_trials_only_where_there_are_some(
    make_results: Make, status: Status, said: bool
) -> None:
    caption = plot_of("learning_curves", make_results(trial_of(0), trial_of(1, status))).caption
    assert ("grey: pruned" in caption) == said
