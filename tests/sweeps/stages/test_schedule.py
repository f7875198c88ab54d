"""The stages one after another on a real storage: what each may see, what a kill or a growth repeats."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sweeps import evidence
from sweeps.stages.incumbent import NotYet
from sweeps.storage.results import Results
from sweeps.trial.trial import Status
from tests.sweeps.support import Events, Interrupting, acknowledged, run_inline, toy_study

COMPONENTS: dict[str, Any] = {"handicap": {"handicap": 4.0}, "null": {"unused": 3}}
WHOLE: dict[str, Any] = {
    "run_cap": 5,
    "baseline": {"epochs": 2, "spread": 1.0},
    "confirm": {"top": 2, "seeds": 3},
    "ablation": {"components": COMPONENTS, "seeds": 4},
    "final": {"seeds": 2, "arms": "all"},
    "evaluate": ["shifted"],
}


def ablation(**settings: Any) -> dict[str, Any]:
    """A study that only compares arms with the baseline as given."""
    rule = {"baseline": "given", "components": COMPONENTS, "seeds": 4, **settings}
    return {"parameters": {}, "run_cap": 0, "baseline": {"epochs": 2, "spread": 1.0}, "ablation": rule}


def runs(results: Results, stage: str) -> list[tuple[str, int]]:
    """The runs of a stage in the order in which they began."""
    return [(trial.variant, trial.replicate or 0) for trial in results.stages[stage].trials]


def test_stages_follow_each_other_to_the_opened_test_set(tmp_path: Path) -> None:
    events = Events()
    result = run_inline(toy_study(**WHOLE), tmp_path, events)
    assert result.complete
    assert [stage for stage, _ in events.stages] == ["search", "confirm", "ablation", "final"]
    stages = result.results.stages
    assert {name: len(stage.trials) for name, stage in stages.items()} == {"confirm": 6, "ablation": 12, "final": 6}
    assert all(trial.status is Status.COMPLETE for stage in stages.values() for trial in stage.trials)


def test_runs_of_one_seed_are_adjacent_and_share_seed_and_split_across_arms(tmp_path: Path) -> None:
    results = run_inline(toy_study(**WHOLE), tmp_path).results
    assert runs(results, "ablation")[:4] == [("baseline", 0), ("handicap", 0), ("null", 0), ("baseline", 1)]
    seeds = {(trial.replicate, trial.seed) for trial in results.stages["ablation"].trials}
    assert len(seeds) == len({seed for _, seed in seeds}) == 4


def test_streams_of_the_stages_are_disjoint(tmp_path: Path) -> None:
    results = run_inline(toy_study(**WHOLE), tmp_path).results
    by_stage = {name: {trial.seed for trial in stage.trials} for name, stage in results.stages.items()}
    by_stage["search"] = {trial.seed for trial in results.trials}
    everything = [seed for seeds in by_stage.values() for seed in seeds]
    assert len(everything) == len(set(everything)) == 1 + 3 + 4 + 2


def test_incumbent_is_the_best_mean_of_confirm_and_the_ablation_starts_from_it(tmp_path: Path) -> None:
    results = run_inline(toy_study(**WHOLE), tmp_path).results
    confirmed = evidence.confirmation(results)
    assert confirmed is not None
    assert confirmed.complete
    means = [level.mean.mean for level in confirmed.levels if level.mean]
    assert means == sorted(means, reverse=True)
    baseline = results.stages["ablation"].arm("baseline")
    assert baseline is not None
    assert baseline.recipe == confirmed.levels[0].arm.recipe


def test_planted_part_is_told_from_a_null_part_in_these_words(tmp_path: Path) -> None:
    study = toy_study(**ablation(seeds=8, margin=0.5))
    ablation_evidence = evidence.ablation(run_inline(study, tmp_path).results)
    assert ablation_evidence is not None
    handicap, null = ablation_evidence.comparisons
    assert handicap.verdict.startswith("Removing handicap lowered validation accuracy by ")
    assert "n = 8 pairs, Holm p < 0.0001)" in handicap.verdict
    assert handicap.p_holm is not None
    assert handicap.p_holm < 0.001
    assert null.p_holm is not None
    assert null.p_holm > 0.05
    assert "inconclusive" in null.verdict or "smaller than ±0.5 pp" in null.verdict


@pytest.mark.parametrize("stage", ["search", "confirm", "ablation"])
def test_run_that_asks_for_the_test_set_before_final_gets_an_error(tmp_path: Path, stage: str) -> None:
    peek = {"epochs": 1, "fault": "peek", "fault_epoch": 1}
    settings: dict[str, Any] = {**WHOLE, "baseline": {"epochs": 1}, "final": None, "evaluate": []}
    if stage == "search":
        settings |= {"baseline": peek, "confirm": None, "ablation": None}
    elif stage == "confirm":
        settings |= {"baseline": {**peek, "fault": "peek later"}, "ablation": None}
    else:
        settings["ablation"] = {"components": {"peek": {"fault": "peek", "fault_epoch": 1}}, "seeds": 2}
        settings["confirm"] = None
    events = Events()
    run_inline(toy_study(**{key: value for key, value in settings.items() if value is not None}), tmp_path, events)
    refused = [trial for trial in events.ended if "may not read the test part" in trial.reason]
    assert refused
    assert not (tmp_path / "data" / "opened.txt").exists()


@pytest.mark.parametrize("every", [3])
def test_study_broken_off_again_and_again_equals_an_unbroken_one(tmp_path: Path, every: int) -> None:
    whole = run_inline(toy_study(**WHOLE), tmp_path / "whole").results
    broken_off = 0
    while True:
        try:
            parts = run_inline(toy_study(**WHOLE), tmp_path / "parts", Interrupting(every)).results
            break
        except KeyboardInterrupt:
            broken_off += 1
    assert broken_off > 10
    for name, stage in whole.stages.items():
        assert [(t.variant, t.replicate, t.value, t.metrics) for t in parts.stages[name].trials] == [
            (t.variant, t.replicate, t.value, t.metrics) for t in stage.trials
        ]
    repeated = len(acknowledged(tmp_path / "parts")) - len(acknowledged(tmp_path / "whole"))
    assert repeated <= broken_off
    assert len(parts.stages["final"].facts["openings"]) == 1


def test_finished_study_repeats_nothing(tmp_path: Path) -> None:
    run_inline(toy_study(**WHOLE), tmp_path)
    before = acknowledged(tmp_path)
    events = Events()
    assert run_inline(toy_study(**WHOLE), tmp_path, events).complete
    assert acknowledged(tmp_path) == before
    assert not events.ended


def test_added_component_and_seeds_make_only_their_own_runs(tmp_path: Path) -> None:
    run_inline(toy_study(**ablation()), tmp_path)
    grown = Events()
    components = {**COMPONENTS, "momentum": {"momentum": 0.0}}
    results = run_inline(toy_study(**ablation(components=components)), tmp_path, grown).results
    assert {trial.variant for trial in grown.ended} == {"momentum"}
    assert len(grown.ended) == 4
    more = Events()
    results = run_inline(toy_study(**ablation(components=components, seeds=5)), tmp_path, more).results
    assert Counter(trial.variant for trial in more.ended) == {"baseline": 1, "handicap": 1, "null": 1, "momentum": 1}
    assert len({(t.variant, t.replicate) for t in results.stages["ablation"].trials}) == 20


def test_removed_component_is_shown_no_more_and_comes_back_without_a_run(tmp_path: Path) -> None:
    run_inline(toy_study(**ablation()), tmp_path)
    fewer = run_inline(toy_study(**ablation(components={"null": {"unused": 3}})), tmp_path).results
    assert [arm.name for arm in fewer.stages["ablation"].arms] == ["baseline", "null"]
    assert fewer.stages["ablation"].superseded == 4
    again = Events()
    run_inline(toy_study(**ablation()), tmp_path, again)
    assert not again.ended


def test_arms_of_one_recipe_share_their_runs(tmp_path: Path) -> None:
    components = {"one": {"unused": 3}, "other": {"unused": 3}}
    results = run_inline(toy_study(**ablation(components=components)), tmp_path).results
    stage = results.stages["ablation"]
    assert len(stage.trials) == 8
    assert all(len(stage.replicates(arm)) == 4 for arm in stage.arms)


def test_arm_that_cannot_be_trained_is_named_and_the_rest_go_on(tmp_path: Path) -> None:
    components = {**COMPONENTS, "width": {"net.width": 5000}, "same": {"unused": 0}, "wide": {"net.width": 100}}
    study = toy_study(**ablation(components=components), constraints=["parameters <= 500"])
    stage = run_inline(study, tmp_path).results.stages["ablation"]
    reasons = {arm.name: arm.reason for arm in stage.arms if not arm.applicable}
    assert reasons["width"].startswith("cannot be built: a layer of 5000 units")
    assert reasons["same"].startswith("changes nothing")
    assert reasons["wide"] == "20,000 parameters, over the limit of 500"
    assert {trial.variant for trial in stage.trials} == {"baseline", "handicap", "null"}


def test_arm_over_the_budget_is_shrunk_until_it_fits_where_the_study_says_so(tmp_path: Path) -> None:
    components = {"wide": {"net.width": 100}}
    study = toy_study(**ablation(components=components, over_budget="shrink"), constraints=["parameters <= 500"])
    arm = run_inline(study, tmp_path).results.stages["ablation"].arm("wide")
    assert arm is not None
    assert arm.cost["parameters"] == 450  # 15² · 2; 16² · 2 is over
    assert "scaled by" in arm.note


def test_diverged_run_counts_with_chance_and_a_machine_failure_leaves_its_pair_out(tmp_path: Path) -> None:
    components = {"nan": {"fault": "nan", "fault_epoch": 2}, "broken": {"fault": "raise", "fault_epoch": 2}}
    ablation_evidence = evidence.ablation(run_inline(toy_study(**ablation(components=components)), tmp_path).results)
    assert ablation_evidence is not None
    nan, broken = ablation_evidence.comparisons
    assert (nan.diverged, [pair.value for pair in nan.pairs]) == (4, [10.0] * 4)
    assert (len(broken.pairs), len(broken.missing)) == (0, 4)
    assert "the toy broke" in broken.missing[0].why


def test_broken_arms_do_not_keep_a_sound_one_from_being_measured(tmp_path: Path) -> None:
    broken = {f"broken {n}": {"fault": "raise", "fault_epoch": 1, "unused": n} for n in range(4)}
    result = run_inline(toy_study(**ablation(components={**broken, "sound": {"unused": 9}}, seeds=3)), tmp_path)
    assert (result.failure, result.complete) == ("", False)
    ablation_evidence = evidence.ablation(result.results)
    assert ablation_evidence is not None
    assert [len(comparison.pairs) for comparison in ablation_evidence.comparisons] == [0, 0, 0, 0, 3]


def test_diverged_run_of_a_workload_without_chance_is_missing_and_named(tmp_path: Path) -> None:
    rule = {"baseline": "given", "components": {"nan": {"fault": "nan", "fault_epoch": 1}}, "seeds": 2}
    study = toy_study(workload="tests.toy:train", parameters={}, run_cap=0, ablation=rule)
    ablation_evidence = evidence.ablation(run_inline(study, tmp_path).results)
    assert ablation_evidence is not None
    assert not ablation_evidence.comparisons[0].pairs
    assert "defines no chance level" in ablation_evidence.comparisons[0].missing[0].why


def test_abandoned_run_is_made_again(tmp_path: Path) -> None:
    study = toy_study(**ablation(components={"null": {"unused": 3}}))
    with pytest.raises(KeyboardInterrupt):
        run_inline(study, tmp_path, Interrupting(5))  # while the second run, of the null component, trains
    run_inline(toy_study(**ablation(components={"handicap": {"handicap": 4.0}})), tmp_path)
    stage = run_inline(study, tmp_path).results.stages["ablation"]
    arm = stage.arm("null")
    assert arm is not None
    assert sorted(stage.replicates(arm)) == [0, 1, 2, 3]
    assert any(trial.status is Status.ABANDONED and trial.seconds > 0 for trial in stage.trials)


def test_grown_confirm_is_run_before_an_ablation_goes_on_from_it(tmp_path: Path) -> None:
    settings = {**WHOLE, "final": None, "evaluate": []}
    study = toy_study(**{key: value for key, value in settings.items() if value is not None})
    run_inline(study, tmp_path, stage="search")
    run_inline(study, tmp_path, stage="confirm")
    settings["confirm"] = {"top": 3, "seeds": 3}
    grown = toy_study(**{key: value for key, value in settings.items() if value is not None})
    with pytest.raises(NotYet, match="confirm has not ended"):
        run_inline(grown, tmp_path, stage="ablation")


def test_search_without_a_finished_trial_leaves_no_incumbent_and_says_so(tmp_path: Path) -> None:
    settings = {**WHOLE, "baseline": {"fault": "nan", "fault_epoch": 1}, "final": None, "evaluate": [], "confirm": None}
    study = toy_study(**{key: value for key, value in settings.items() if value is not None})
    result = run_inline(study, tmp_path)
    assert "no trial of the search has completed" in result.failure
    assert "ablation" not in result.results.stages


def test_one_stage_can_be_run_alone(tmp_path: Path) -> None:
    study = toy_study(**WHOLE)
    assert set(run_inline(study, tmp_path, stage="search").results.stages) == set()
    assert set(run_inline(study, tmp_path, stage="confirm").results.stages) == {"confirm"}
    assert set(run_inline(study, tmp_path).results.stages) == {"confirm", "ablation", "final"}
