"""How many seeds an ablation gives each arm, how it is tuned again, and how a path finds its steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeps import evidence
from sweeps.artifacts.layout import RETUNE
from sweeps.stages.ablation.path_race import standing
from sweeps.stats import stein_total
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status
from tests.sweeps.stages.test_schedule import ablation
from tests.sweeps.support import Events, run_inline, toy_gate, toy_study

LR = {"lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 10.0}}


def test_first_seeds_fix_how_many_more_by_steins_rule(tmp_path: Path) -> None:
    seeds = {"min": 4, "max": 30, "precision": 0.1}
    stage = run_inline(toy_study(**ablation(seeds=seeds)), tmp_path).results.stages["ablation"]
    reference, *arms = stage.arms
    base = stage.replicates(reference)
    wanted = {}
    for arm in arms:
        own = stage.replicates(arm)
        first = [(own[r].value or 0.0) - (base[r].value or 0.0) for r in range(4)]
        wanted[arm.name] = stein_total(first, 0.1, 30)
        assert len(own) == wanted[arm.name]
    assert len(base) == max(wanted.values()) > 4
    assert stage.facts["wanted"] == {"baseline": max(wanted.values()), **wanted}
    assert stage.facts["first"] == 4


def test_maximum_caps_the_added_seeds_and_raising_it_adds_only_what_is_missing(tmp_path: Path) -> None:
    capped = {"min": 3, "max": 4, "precision": 0.01}
    results = run_inline(toy_study(**ablation(seeds=capped)), tmp_path).results
    assert len(results.stages["ablation"].trials) == 12
    events = Events()
    run_inline(toy_study(**ablation(seeds={**capped, "max": 6})), tmp_path, events)
    assert sorted((trial.variant, trial.replicate) for trial in events.ended) == [
        (name, replicate) for name in ("baseline", "handicap", "null") for replicate in (4, 5)
    ]


def test_factorial_runs_every_cell_and_finds_the_planted_effect(tmp_path: Path) -> None:
    study = toy_study(**ablation(design="factorial", seeds={"min": 3, "max": 8, "precision": 0.2}))
    results = run_inline(study, tmp_path).results
    assert [arm.name for arm in results.stages["ablation"].arms] == [
        "baseline",
        "no handicap",
        "no null",
        "no handicap, null",
    ]
    ablation_evidence = evidence.ablation(results)
    assert ablation_evidence is not None
    effects = {effect.components: effect.estimate.mean for effect in ablation_evidence.effects}
    assert effects["handicap",] == pytest.approx(4.0, abs=0.3)
    assert effects["null",] == pytest.approx(0.0, abs=0.3)
    assert effects["handicap", "null"] == pytest.approx(0.0, abs=0.3)


def test_add_one_in_starts_from_the_recipe_without_any_part(tmp_path: Path) -> None:
    stage_evidence = evidence.ablation(run_inline(toy_study(**ablation(design="add_one_in")), tmp_path).results)
    assert stage_evidence is not None
    assert {comparison.reference.name for comparison in stage_evidence.comparisons} == {"none"}
    means = {one.arm.name: one.paired.mean for one in stage_evidence.comparisons if one.paired}
    assert means["only handicap"] == pytest.approx(4.0, abs=0.5)


def test_each_arm_is_tuned_again_and_set_beside_the_fixed_one(tmp_path: Path) -> None:
    # The part's own learning rate is bad: re-tuned, nothing of the difference is left.
    rule = {"components": {"rate": {"handicap": 1.0}}, "seeds": 3, "retune": {"parameters": ["lr"], "trials": 4}}
    study = toy_study(run_cap=3, baseline={"epochs": 2}, parameters=LR, ablation=rule)
    results = run_inline(study, tmp_path).results
    searches = {name: stage for name, stage in results.stages.items() if name.startswith(RETUNE)}
    assert [len(stage.trials) for stage in searches.values()] == [4, 4]
    first = next(iter(searches.values())).trials[0]
    baseline = results.stages["ablation"].arm("baseline")
    assert baseline is not None
    assert first.parameters["lr"] == baseline.settings["lr"]
    tuned = [arm for arm in results.stages["ablation"].arms if arm.tuned]
    assert [arm.name for arm in tuned] == ["baseline (re-tuned)", "rate (re-tuned)"]
    for arm, stage in zip(tuned, searches.values(), strict=True):
        assert arm.settings["lr"] == max(stage.trials, key=lambda trial: trial.value or 0.0).parameters["lr"]
    ablation_evidence = evidence.ablation(results)
    assert ablation_evidence is not None
    assert [comparison.arm.name for comparison in ablation_evidence.retuned] == ["rate (re-tuned)"]
    assert [comparison.arm.name for comparison in ablation_evidence.comparisons] == ["rate"]


def test_retuning_of_other_settings_is_another_search(tmp_path: Path) -> None:
    settings = {**LR, "momentum": {"min": 0.1, "max": 0.9}}
    rule = {"components": {"rate": {"handicap": 1.0}}, "seeds": 2, "retune": {"parameters": ["lr"], "trials": 2}}
    base: dict[str, Any] = {"run_cap": 2, "baseline": {"epochs": 1}, "parameters": settings}
    run_inline(toy_study(**base, ablation=rule), tmp_path)
    more = {**rule, "retune": {"parameters": ["lr", "momentum"], "trials": 3}}
    results = run_inline(toy_study(**base, ablation=more), tmp_path).results
    searches = [stage for name, stage in results.stages.items() if name.startswith(RETUNE)]
    assert [len(stage.trials) for stage in searches] == [2, 2, 3, 3]
    assert set(searches[-1].trials[0].parameters) == {"lr", "momentum"}
    grown = {**more, "retune": {"parameters": ["lr", "momentum"], "trials": 4}}
    again = Events()
    run_inline(toy_study(**base, ablation=grown), tmp_path, again)
    assert sum(trial.stage.startswith(RETUNE) for trial in again.ended) == 2


def test_setting_under_the_condition_of_a_toggle_is_tuned_where_the_part_is_there(tmp_path: Path) -> None:
    parameters = {**LR, "momentum": {"min": 0.1, "max": 0.9, "when": {"toggle.relu": [True]}}}
    rule = {"components": ["relu"], "seeds": 2, "retune": {"parameters": ["momentum"], "trials": 2}}
    study = toy_study(run_cap=2, baseline={"epochs": 1}, parameters=parameters, toggles=["relu"], ablation=rule)
    results = run_inline(study, tmp_path).results
    tuned = results.stages["ablation"].facts["tuned"]
    baseline = results.stages["ablation"].arm("baseline")
    assert baseline is not None
    with_relu = baseline.settings["net"]["act"] == "relu"
    assert ("momentum" in tuned["baseline (re-tuned)"]) == with_relu
    assert tuned.get("relu (re-tuned)", {}) == {}


def test_setting_that_the_component_removes_is_not_tuned_back(tmp_path: Path) -> None:
    rule = {"components": {"rate": {"lr": 5.0}}, "seeds": 2, "retune": {"parameters": ["lr"], "trials": 2}}
    study = toy_study(run_cap=2, baseline={"epochs": 1}, parameters=LR, ablation=rule)
    stage = run_inline(study, tmp_path).results.stages["ablation"]
    arm = stage.arm("rate (re-tuned)")
    assert arm is not None
    assert arm.settings["lr"] == 5.0


PATH: dict[str, Any] = {
    "method": "grid",
    "run_cap": 0,
    "baseline": {"epochs": 2, "lr": 0.02, "handicap": 5.0, "momentum": 0.5, "spread": 0.2},
    "parameters": {
        "lr": {"values": [0.02, 0.1]},
        "handicap": {"values": [5.0, 0.0]},
        "momentum": {"values": [0.5, 0.9]},
    },
    "ablation": {"design": "path", "seeds": 4},
}


def test_path_leads_from_the_baseline_to_the_incumbent_largest_step_first(tmp_path: Path) -> None:
    results = run_inline(toy_study(**PATH), tmp_path).results
    stage = results.stages["ablation"]
    best = results.ranked()[0]
    names = [arm.name for arm in stage.arms]
    assert names[0] == "baseline"
    assert names[1] == "1: lr"  # from 0.02 to 0.1 is worth 40 points, the handicap 5
    assert names[2] == "2: handicap"
    assert {key: stage.arms[-1].settings[key] for key in best.parameters} == best.parameters
    assert [arm.reference for arm in stage.arms] == ["", *names[:-1]]


def test_path_is_measured_on_other_seeds_than_the_race(tmp_path: Path) -> None:
    results = run_inline(toy_study(**PATH), tmp_path).results
    raced = {trial.seed for trial in results.stages["race"].trials}
    measured = {trial.seed for trial in results.stages["ablation"].trials}
    assert raced
    assert not raced & measured
    assert all(trial.status is Status.COMPLETE for trial in results.stages["race"].trials)


def test_race_broken_off_goes_the_same_way(tmp_path: Path) -> None:
    from tests.sweeps.stages.test_schedule import Interrupting

    whole = run_inline(toy_study(**PATH), tmp_path / "whole").results
    while True:
        try:
            parts = run_inline(toy_study(**PATH), tmp_path / "parts", Interrupting(5)).results
            break
        except KeyboardInterrupt:
            continue
    for stage in ("race", "ablation"):
        assert [(t.variant, t.replicate, t.value) for t in parts.stages[stage].trials] == [
            (t.variant, t.replicate, t.value) for t in whole.stages[stage].trials
        ]


def test_change_that_is_clearly_behind_falls_out_of_the_race_early() -> None:
    study = toy_study(**PATH)
    steps = {name: {name: value} for name, value in (("lr", 0.1), ("handicap", 0.0), ("momentum", 0.9))}
    asked: dict[str, int] = {}

    def known(arm: Arm, seeds: int) -> dict[int, float]:
        asked[arm.name] = max(seeds, asked.get(arm.name, 0))
        level = {"1: lr": 80.0, "1: handicap": 79.9}.get(arm.name, 20.0)
        return {seed: level + (seed % 3) * 0.5 * (1 if arm.name == "1: lr" else -1) for seed in range(seeds)}

    gate = toy_gate(study)
    start = Arm("baseline", gate.baseline().settings)
    state = standing(start, steps, gate, known, 8, "maximize")
    assert [arm.name for arm in state.path][:1] == ["1: lr"]
    assert asked["1: momentum"] == 3
    assert asked["1: handicap"] > 3


def test_incumbent_that_is_the_baseline_has_no_path(tmp_path: Path) -> None:
    baseline = {**PATH["baseline"], "lr": 0.1, "handicap": 0.0, "momentum": 0.5, "spread": 0.0}
    parameters = {**PATH["parameters"], "momentum": {"values": [0.5, 0.4]}}
    study = toy_study(**{**PATH, "baseline": baseline, "parameters": parameters})
    assert "is the baseline: the path has no steps; extend the search" in run_inline(study, tmp_path).failure


@pytest.mark.parametrize("begun", [False, True])
def test_settings_are_tuned_again_by_the_sampler_with_which_the_study_began(tmp_path: Path, begun: bool) -> None:
    if begun:  # when bayes was TPE, which records no decisions
        (tmp_path / "toy").mkdir()
        (tmp_path / "toy" / "environment.json").write_text('{"settled": {}}')
    rule = {"components": {"rate": {"handicap": 1.0}}, "seeds": 2, "retune": {"parameters": ["lr"], "trials": 3}}
    results = run_inline(toy_study(run_cap=1, ablation={**rule, "baseline": "given"}), tmp_path).results
    stages = [stage for name, stage in results.stages.items() if name.startswith("retune-")]
    tuned = [trial for stage in stages for trial in stage.trials]
    assert len(tuned) == 2 * 3
    assert [bool(trial.decisions) for trial in tuned] == [not begun] * len(tuned)
