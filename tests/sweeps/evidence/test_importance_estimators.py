"""Importance: the setting that matters ranks first, and trials are compared at one epoch."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from sweeps.evidence.importance_estimators import comparable, importance, importances
from sweeps.storage.results import Results
from sweeps.trial.trial import Status, Trial
from tests.sweeps.support import toy_study


def results(trials: list[Trial], folder: Path) -> Results:
    parameters = {"lr": {"min": 0.0001, "max": 1.0}, "momentum": {"min": 0.0, "max": 0.99}}
    return Results(toy_study(parameters=parameters), tuple(trials), {}, folder)


def made(count: int) -> list[Trial]:
    """Return trials whose metric depends on lr alone; two thirds stop after epoch 2."""
    generator = random.Random(0)
    trials = []
    for number in range(count):
        chosen = {"lr": generator.uniform(0.0001, 1.0), "momentum": generator.uniform(0.0, 0.99)}
        epochs = 6 if number % 3 == 0 else 2
        curve = {epoch: 10 * epoch + 50 * chosen["lr"] for epoch in range(1, epochs + 1)}
        status = Status.COMPLETE if epochs == 6 else Status.PRUNED
        trials.append(Trial(number, "search", status, chosen, curve[epochs] if epochs == 6 else None, curve))
    return trials


def test_the_setting_that_matters_ranks_first(tmp_path: Path) -> None:
    estimates = importance(results(made(45), tmp_path))
    assert estimates is not None
    assert estimates.trials == 45
    assert estimates.means["lr"] > 3 * estimates.means["momentum"]
    assert all(deviation > 0 for deviation in estimates.deviations.values())
    assert estimates.method == "PED-ANOVA on the metric after 2 epochs"


def test_trials_are_compared_at_the_latest_epoch_that_half_of_them_reached(tmp_path: Path) -> None:
    epoch, trials = comparable(results(made(45), tmp_path))
    assert (epoch, len(trials)) == (2, 45)


def test_too_few_trials_give_none(tmp_path: Path) -> None:
    assert importance(results(made(19), tmp_path)) is None
    assert importance(results([], tmp_path)) is None


def test_equal_metrics_give_none(tmp_path: Path) -> None:
    flat = [
        Trial(n, "search", Status.COMPLETE, {"lr": 0.1 + n / 100, "momentum": 0.5}, 1.0, {1: 1.0}) for n in range(24)
    ]
    assert importance(results(flat, tmp_path)) is None


def test_both_methods_agree_on_what_matters_with_intervals_around_it(tmp_path: Path) -> None:
    estimates = importances(results(made(45), tmp_path))
    assert [each.method for each in estimates] == [
        "PED-ANOVA on the metric after 2 epochs",
        "fANOVA on the metric after 2 epochs",
    ]
    for each in estimates:
        assert each.means["lr"] > 3 * each.means["momentum"]
        assert each.lows["lr"] > each.highs["momentum"]
        assert all(0 <= each.lows[key] <= each.highs[key] <= 1 for key in each.means)


def test_importances_are_the_same_each_time_and_begin_with_ped_anova(tmp_path: Path) -> None:
    first, again = importances(results(made(30), tmp_path)), importances(results(made(30), tmp_path))
    assert first == again
    assert first[0] == importance(results(made(30), tmp_path))


def test_a_long_list_of_values_leaves_out_the_method_whose_time_explodes_with_it(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(60)]
    study = toy_study(parameters={"lr": {"min": 0.0001, "max": 1.0}, "fault": {"values": words}})
    trials = [
        replace(trial, parameters={"lr": trial.parameters["lr"], "fault": words[trial.number]}) for trial in made(40)
    ]
    [estimate] = importances(Results(study, tuple(trials), {}, tmp_path))
    assert estimate.method.startswith("PED-ANOVA")


def test_too_few_trials_give_no_importances(tmp_path: Path) -> None:
    assert importances(results(made(19), tmp_path)) == []
