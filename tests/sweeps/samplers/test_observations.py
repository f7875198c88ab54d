"""What the surrogate is told of a trial, by the way in which it ended or is under way."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sweeps.samplers.observations import Observations, full_epochs
from sweeps.study.sections import Metric
from sweeps.trial.trial import Status, Trial
from sweeps.workload import load
from tests.sweeps.support import toy_study

CURVE = {1: 50.0, 2: 70.0, 3: 60.0}


def told(status: Status, at: str = "last", goal: str = "maximize", **settings: Any) -> tuple[dict[int, float], Any]:
    """The curve and the epoch in training that the surrogate is told, in a search of 4 epochs."""
    metric = Metric(name="val_accuracy", goal=goal, at=at)  # type: ignore[arg-type]
    trial = Trial(0, "search", status, {"lr": 0.1}, **{"curve": CURVE, **settings})
    (observed,) = Observations(4, metric).of([trial])
    assert observed.parameters == {"lr": 0.1}
    return dict(observed.curve), observed.until


def test_pruned_trial_is_told_as_far_as_it_came() -> None:
    assert told(Status.PRUNED) == (CURVE, None)


def test_complete_trial_has_its_value_at_the_end_also_where_its_recipe_stopped_earlier() -> None:
    assert told(Status.COMPLETE, value=60.0) == ({**CURVE, 4: 60.0}, None)


@pytest.mark.parametrize(("goal", "best"), [("maximize", [50.0, 70.0, 70.0]), ("minimize", [50.0, 50.0, 50.0])])
def test_where_the_best_epoch_counts_the_curve_is_the_best_so_far(goal: str, best: list[float]) -> None:
    assert list(told(Status.PRUNED, at="best", goal=goal)[0].values()) == best


def test_running_trial_is_under_way_to_the_epoch_that_was_decided() -> None:
    assert told(Status.RUNNING) == (CURVE, 4)
    decisions = ({"order": 0, "until": 2}, {"order": 3, "until": 4, "last": True})
    assert told(Status.RUNNING, decisions=decisions) == (CURVE, 4)
    assert told(Status.RUNNING, curve={1: 50.0}, decisions=decisions[:1]) == ({1: 50.0}, 2)


def test_paused_trial_is_not_under_way() -> None:
    assert told(Status.RUNNING, curve={1: 50.0, 2: 70.0}, decisions=({"order": 0, "until": 2},))[1] is None


def test_diverged_trial_counts_as_the_worst_and_its_chance_level_as_nothing() -> None:
    curve, until = told(Status.DIVERGED, curve={1: 50.0, 2: 10.0}, reason="train_loss was nan in epoch 2")
    assert list(curve) == [1, 2]
    assert all(math.isnan(value) for value in curve.values())
    assert until is None


def test_trial_that_ran_out_of_memory_counts_as_the_worst_though_it_has_no_value() -> None:
    curve, _ = told(Status.OUT_OF_MEMORY, curve={})
    assert list(curve) == [1]
    assert math.isnan(curve[1])


@pytest.mark.parametrize("status", [Status.FAILED, Status.REJECTED, Status.DUPLICATE, Status.ABANDONED])
def test_trial_that_says_nothing_about_the_metric_is_left_out(status: Status) -> None:
    observations = Observations(4, Metric(name="val_accuracy", goal="maximize"))
    assert observations.of([Trial(0, "search", status, {"lr": 0.1}, curve=CURVE)]) == []


def test_trials_are_converted_once_for_as_long_as_they_do_not_change() -> None:
    observations = Observations(4, Metric(name="val_accuracy", goal="maximize"))
    trials = [Trial(number, "search", Status.PRUNED, {"lr": 0.1}, curve=CURVE) for number in range(3)]
    first = observations.of(trials)
    trials[1] = Trial(1, "search", Status.COMPLETE, {"lr": 0.1}, value=60.0, curve=CURVE)
    second = observations.of(trials)
    assert [one is two for one, two in zip(first, second, strict=True)] == [True, False, True]
    assert second[1].curve[4] == 60.0


@pytest.mark.parametrize(
    ("epochs", "expected"), [({"values": [2, 6]}, 6), ({"min": 2, "max": 9}, 9), ({"value": 5}, 5)]
)
def test_the_end_is_that_of_the_longest_trial(epochs: dict[str, Any], expected: int) -> None:
    study = toy_study(parameters={"epochs": epochs, "lr": {"min": 0.01, "max": 0.1}})
    assert full_epochs(study, load("tests.toy")) == expected
