"""The stage final: which arms it trains, on what, and what it makes of the opened test set."""

from __future__ import annotations

from pathlib import Path
from statistics import median_low
from typing import Any

import pytest
from ruamel.yaml import YAML

from sweeps.prepare.prepared import Infeasible
from sweeps.storage.results import Results, StageResults
from sweeps.trial.trial import Status
from tests.sweeps.support import Events, acknowledged, run_inline, toy_study

# Stops after 2 to 4 epochs, as the seed has it.
EARLY: dict[str, Any] = {"name": "early", "workload": "tests.sweeps.pupils", "baseline": {"epochs": 9, "patience": 2}}
BASELINE = {"epochs": 2, "spread": 1.0}
ALONE: dict[str, Any] = {"parameters": {}, "run_cap": 0, "baseline": BASELINE, "final": {"seeds": 2}}
PARTS = {"handicap": {"handicap": 4.0}, "null": {"unused": 3}}


def with_arms(components: dict[str, Any], **rule: Any) -> dict[str, Any]:
    """A study whose final measures every arm of an ablation."""
    ablation = {"baseline": "given", "components": components, "seeds": 2, **rule}
    return {**ALONE, "ablation": ablation, "final": {"seeds": 2, "arms": "all"}}


def final(folder: Path, events: Events | None = None, **settings: Any) -> tuple[Results, StageResults]:
    result = run_inline(toy_study(**{**ALONE, **settings}), folder, events)
    assert not result.failure
    return result.results, result.results.stages["final"]


def test_models_are_trained_with_nothing_held_out_and_measured_on_every_set(tmp_path: Path) -> None:
    results, stage = final(tmp_path, evaluate=["shifted", "shifted-far"])
    assert stage.facts["sets"] == ["test", "shifted", "shifted-far"]
    for trial in stage.trials:
        rows = results.rows(trial.number, "final")
        assert [set(row) for row in rows] == [{"epoch", "device_seconds", "train_loss"}] * 2  # no val_ metric
        assert trial.curve == {}
        accuracies = {name: measured["accuracy"] for name, measured in trial.metrics.items()}
        assert trial.value == trial.figure == accuracies["test"]
        assert accuracies["shifted"] == pytest.approx(accuracies["test"] - 1)
        assert accuracies["shifted-far"] == pytest.approx(accuracies["test"] - 2)


def test_training_may_not_read_the_test_set_of_the_stage_that_opens_it(tmp_path: Path) -> None:
    _, stage = final(tmp_path, baseline={**BASELINE, "fault": "peek", "fault_epoch": 1})
    reason = "PermissionError: this run may not read the test part, only train, validation"
    assert [(trial.status, trial.reason) for trial in stage.trials] == [(Status.FAILED, reason)] * 2
    assert not (tmp_path / "data" / "opened.txt").exists()
    assert not (tmp_path / ".openings.json").exists()


def test_runs_of_one_seed_are_paired_over_the_arms_and_no_seed_is_one_of_the_ablation(tmp_path: Path) -> None:
    results, stage = final(tmp_path, **with_arms(PARTS))
    assert [(trial.variant, trial.replicate) for trial in stage.trials] == [
        ("baseline", 0), ("handicap", 0), ("null", 0), ("baseline", 1), ("handicap", 1), ("null", 1),
    ]  # fmt: skip
    seeds = {trial.replicate: trial.seed for trial in stage.trials}
    assert all(trial.seed == seeds[trial.replicate] for trial in stage.trials)
    assert not set(seeds.values()) & {trial.seed for trial in results.stages["ablation"].trials}


def test_arms_all_are_those_that_apply_each_recipe_once(tmp_path: Path) -> None:
    parts = {**PARTS, "same": {"unused": 0}, "huge": {"net.width": 5000}, "null again": {"unused": 3}}
    _, stage = final(tmp_path, **with_arms(parts))
    assert [arm.name for arm in stage.arms] == ["baseline", "handicap", "null"]
    assert [arm.reference for arm in stage.arms] == ["", "baseline", "baseline"]


def test_arms_of_an_ablation_of_the_given_baseline_are_joined_by_the_incumbent(tmp_path: Path) -> None:
    settings = {**with_arms({"null": {"unused": 3}}), "run_cap": 3, "method": "grid", "baseline": {"epochs": 2}}
    results, stage = final(tmp_path, **{**settings, "parameters": {"lr": {"values": [0.01, 0.1, 1.0]}}})
    assert [arm.name for arm in stage.arms] == ["incumbent", "baseline", "null"]
    assert stage.arms[0].settings["lr"] == results.ranked()[0].parameters["lr"] == 0.1


@pytest.mark.parametrize(
    ("settings", "name"),
    [({}, "baseline"), ({"parameters": {"lr": {"values": [0.1, 1.0]}}, "run_cap": 2, "method": "grid"}, "incumbent")],
)
def test_best_alone_is_one_arm(tmp_path: Path, settings: dict[str, Any], name: str) -> None:
    _, stage = final(tmp_path, **settings)
    assert [(arm.name, arm.reference) for arm in stage.arms] == [(name, "")]
    assert {trial.variant for trial in stage.trials} == {name}


def test_model_that_cannot_be_trained_does_not_keep_the_others_from_the_test_set(tmp_path: Path) -> None:
    parts = {"broken": {"fault": "raise"}, "nan": {"fault": "nan"}, "silent": {"fault": "nothing", "fault_epoch": 1}}
    _, stage = final(tmp_path, **with_arms(parts))
    first_replicates = {trial.variant: trial for trial in stage.trials if trial.replicate == 0}
    assert {name: trial.status for name, trial in first_replicates.items()} == {
        "baseline": Status.COMPLETE,
        "broken": Status.FAILED,
        "nan": Status.DIVERGED,
        "silent": Status.COMPLETE,  # trained in silence, but its test figure stands
    }
    assert first_replicates["nan"].figure == 10.0
    assert "the toy broke" in first_replicates["broken"].reason
    opened = (tmp_path / "data" / "opened.txt").read_text().split()
    complete = [trial for trial in stage.trials if trial.status is Status.COMPLETE]
    assert opened == [f"{trial.number:04d}" for trial in complete]


def test_workload_that_trains_no_epoch_has_no_model_to_measure(tmp_path: Path) -> None:
    _, stage = final(tmp_path, baseline={"epochs": 0})
    assert {trial.reason for trial in stage.trials} == {"the workload ended without yielding any metric"}
    assert not (tmp_path / ".openings.json").exists()


def test_measuring_counts_as_device_time(tmp_path: Path) -> None:
    results, stage = final(tmp_path)
    for trial in stage.trials:
        trained = sum(row["device_seconds"] for row in results.rows(trial.number, "final"))
        assert trial.seconds > trained
    assert len(acknowledged(tmp_path)) == 4


def early(folder: Path, **settings: Any) -> Results:
    """A study of a recipe that stops early, run to its end."""
    result = run_inline(toy_study(**{**EARLY, **settings}), folder)
    assert result.complete, result.failure
    return result.results


def trained(results: Results) -> list[tuple[dict[str, Any], int]]:
    """The recipes on record of the final runs, each with the epochs that it was trained for."""
    folders = sorted((results.folder / "final").iterdir())
    recipes = [YAML(typ="safe", pure=True).load(folder / "recipe.yaml") for folder in folders]
    return list(zip(recipes, [trial.epochs for trial in results.stages["final"].trials], strict=True))


def test_recipe_that_stops_early_trains_for_the_median_of_its_replicates(tmp_path: Path) -> None:
    ablation = {"baseline": "given", "components": {"more": {"points": 20.0}}, "seeds": 5}
    finals = {"seeds": 2, "arms": "all"}
    results = early(tmp_path, parameters={}, run_cap=0, ablation=ablation, final=finals)
    stage = results.stages["ablation"]
    epochs = [trial.epochs for trial in stage.trials if trial.variant == "baseline"]
    assert len(set(epochs)) > 1
    for recipe, seen in trained(results):
        assert (recipe["epochs"], recipe["patience"], seen) == (median_low(epochs), 0, median_low(epochs))
    instead = {"epochs": median_low(epochs), "patience": 0}
    assert results.stages["final"].facts["unheld"] == {"baseline": instead, "more": instead}
    recipes = {arm.name: arm.recipe for arm in stage.arms}
    assert {trial.variant: trial.recipe for trial in results.stages["final"].trials} == recipes


def test_fresh_runs_of_the_incumbent_tell_how_long_it_trains_as_its_runs_in_confirm_do(tmp_path: Path) -> None:
    searched = {"parameters": {"points": {"values": [10.0, 20.0]}}, "method": "grid", "seed": 3}
    results = early(tmp_path, **searched, confirm={"top": 2, "seeds": 2}, final={"seeds": 1})
    chosen, fresh = (results.stages[name].trials for name in ("confirm", "incumbent"))
    of_choice = [trial.epochs for trial in chosen if trial.recipe == fresh[0].recipe]
    every = [*of_choice, *(trial.epochs for trial in fresh)]
    assert median_low(every) != median_low(of_choice)
    assert [seen for _, seen in trained(results)] == [median_low(every)]


def test_without_replicates_the_search_trial_says_how_long(tmp_path: Path) -> None:
    searched = {"points": {"values": [10.0, 20.0]}}
    results = early(tmp_path, parameters=searched, method="grid", final={"seeds": 2})
    best = results.ranked()[0]
    assert [(recipe["points"], seen) for recipe, seen in trained(results)] == [(20.0, best.epochs)] * 2


def test_recipe_that_was_never_run_trains_for_all_its_epochs(tmp_path: Path) -> None:
    results = early(tmp_path, parameters={}, run_cap=0, final={"seeds": 2})
    assert [seen for _, seen in trained(results)] == [9, 9]
    assert "unheld" not in results.stages["final"].facts


def test_set_that_is_not_there_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(Infeasible, match="no set 'missing' in"):
        early(tmp_path, parameters={}, run_cap=0, final={"seeds": 2}, evaluate=["there", "missing"])
    assert not (tmp_path / "early").exists()
