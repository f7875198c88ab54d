"""The candidates of confirm: those that the surrogate expects to end best, recorded before their first run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweeps.evidence.findings import Findings
from sweeps.report.incumbent import choice_note, incumbent_sentences
from sweeps.stages.confirm.candidates import Candidates, NoCandidate, candidates
from sweeps.stages.incumbent import incumbent
from sweeps.storage.results import CANDIDATES, Results, StageResults
from sweeps.storage.runs import open_results
from sweeps.study.study import Study
from sweeps.trial.trial import Status, Trial
from tests.sweeps.support import Interrupting, run_inline, toy_gate, toy_study

LUCKY = 3  # the number of a trial whose value is far above those of its neighbours
SETTINGS: dict[str, Any] = {
    "method": "bayes",
    "run_cap": 30,
    "parameters": {"momentum": {"min": 0.0, "max": 1.0}},
    "confirm": {"top": 3, "seeds": 2},
}


def searched(folder: Path, study: Study, goal: str = "maximize") -> Results:
    """A search whose values have their best at a momentum of 0.3, with noise, and one lucky trial at 0.9."""
    noise = np.random.default_rng(0).normal(0, 1.0, 30)
    sign = 1 if goal == "maximize" else -1
    trials = []
    for number in range(30):
        momentum = (number * 7 % 30) / 30 if number != LUCKY else 0.9
        value = 90.0 - 40 * abs(momentum - 0.3) + float(noise[number])
        value = 91.5 if number == LUCKY else value
        curve = {1: sign * value / 2, 2: sign * value / 1.5, 4: sign * value}
        trials.append(Trial(number, "search", Status.COMPLETE, {"momentum": momentum}, sign * value, curve))
    return Results(study, tuple(trials), {}, folder)


def chosen(results: Results, top: int = 3) -> Candidates:
    """The candidates of these results."""
    return candidates(results, toy_gate(results.study), top)


def test_lucky_maximum_is_not_handed_on(tmp_path: Path) -> None:
    results = searched(tmp_path, toy_study(**SETTINGS))
    assert results.ranked()[0].number == LUCKY
    by_surrogate = chosen(results)
    assert f"trial {LUCKY}" not in [arm.name for arm in by_surrogate.arms]
    assert all(0.15 < arm.edits["momentum"] < 0.45 for arm in by_surrogate.arms)


def test_small_values_are_best_where_the_metric_is_minimized(tmp_path: Path) -> None:
    metric = {"name": "train_loss", "goal": "minimize"}
    results = searched(tmp_path, toy_study(**{**SETTINGS, "metric": metric}), "minimize")
    assert all(0.15 < arm.edits["momentum"] < 0.45 for arm in chosen(results).arms)


def test_choice_says_what_was_expected_and_what_was_reached(tmp_path: Path) -> None:
    results = searched(tmp_path, toy_study(**SETTINGS))
    choice = chosen(results).choice
    assert choice is not None
    ranked = results.ranked()
    for entry in choice["trials"]:
        assert ranked[entry["place"] - 1].number == entry["trial"]
        assert ranked[entry["place"] - 1].value == entry["value"]
        low, _, high = entry["quantiles"]
        assert low < entry["expected"] < high
    expected = [entry["expected"] for entry in choice["trials"]]
    assert expected == sorted(expected, reverse=True)


def test_recorded_choice_stays_as_long_as_the_search_does(tmp_path: Path) -> None:
    results = searched(tmp_path, toy_study(**SETTINGS))
    choice = chosen(results).choice
    assert choice is not None
    other = {**choice, "trials": [*choice["trials"][1:], choice["trials"][0]]}  # as another machine may round
    recorded = replace(results, stages={"confirm": StageResults("confirm", facts={CANDIDATES: other})})
    assert chosen(recorded).choice == other
    assert len(chosen(recorded, top=2).arms) == 2
    grown = replace(recorded, trials=recorded.trials[:-1])
    assert chosen(grown).choice != other


@pytest.mark.parametrize("method", ["tpe", "random"])
def test_other_methods_hand_on_the_best_values(tmp_path: Path, method: str) -> None:
    results = searched(tmp_path, toy_study(**{**SETTINGS, "method": method}))
    by_value = chosen(results)
    assert by_value.choice is None
    assert [arm.name for arm in by_value.arms] == [f"trial {trial.number}" for trial in results.ranked()[:3]]


def test_study_that_began_when_bayes_was_tpe_hands_on_the_best_values(tmp_path: Path) -> None:
    results = replace(searched(tmp_path, toy_study(**SETTINGS)), environment={"id": "of 0.1.0"})
    assert chosen(results).choice is None


def test_confirm_that_has_begun_with_the_best_values_goes_on_with_them(tmp_path: Path) -> None:
    results = searched(tmp_path, toy_study(**SETTINGS))
    begun = StageResults("confirm", trials=(Trial(0, "confirm", Status.RUNNING, {}),))
    assert chosen(replace(results, stages={"confirm": begun})).choice is None


def test_without_confirm_the_best_trial_is_the_one_with_the_best_value(tmp_path: Path) -> None:
    results = searched(tmp_path, toy_study(**{**SETTINGS, "confirm": None}))
    assert incumbent(results, toy_gate(results.study)).arm.name == f"trial {LUCKY}"


def test_search_without_a_completed_trial_has_no_candidates(tmp_path: Path) -> None:
    study = toy_study(**SETTINGS)
    with pytest.raises(NoCandidate, match="no trial of the search has completed"):
        chosen(Results(study, (), {}, tmp_path))


def cut_short(results: Results, completed: set[int], status: Status = Status.PRUNED) -> Results:
    """The search as it is where all but the `completed` trials were stopped at the second epoch."""
    trials = tuple(
        trial
        if trial.number in completed
        else replace(trial, status=status, value=None, curve=dict(list(trial.curve.items())[:2]))
        for trial in results.trials
    )
    return replace(results, trials=trials)


def test_stopped_trial_is_handed_on_where_it_promises_more_than_the_completed_ones(tmp_path: Path) -> None:
    whole = searched(tmp_path, toy_study(**SETTINGS))
    worst = {trial.number for trial in whole.ranked()[-2:]}
    results = cut_short(whole, worst)
    by_surrogate = chosen(results)
    assert all(0.15 < arm.edits["momentum"] < 0.45 for arm in by_surrogate.arms)
    assert by_surrogate.choice is not None
    assert [(entry["value"], entry["place"]) for entry in by_surrogate.choice["trials"]] == [(None, None)] * 3
    recorded = {CANDIDATES: by_surrogate.choice}
    again = replace(results, stages={"confirm": StageResults("confirm", facts=recorded)})
    assert chosen(again).choice == by_surrogate.choice


@pytest.mark.parametrize("status", [Status.DIVERGED, Status.FAILED, Status.OUT_OF_MEMORY])
def test_trial_that_broke_is_no_candidate(tmp_path: Path, status: Status) -> None:
    whole = searched(tmp_path, toy_study(**SETTINGS))
    worst = {trial.number for trial in whole.ranked()[-2:]}
    assert {arm.name for arm in chosen(cut_short(whole, worst, status)).arms} == {f"trial {number}" for number in worst}


def test_report_says_that_a_candidate_was_stopped_in_the_search(tmp_path: Path) -> None:
    study = toy_study(**SETTINGS)
    whole = searched(tmp_path, study)
    results = cut_short(whole, {trial.number for trial in whole.ranked()[-2:]})
    handed_on = chosen(results)
    runs = tuple(
        Trial(2 * place + replicate, "confirm", Status.COMPLETE, {}, 80.0 + place, {4: 80.0 + place},
              variant=arm.name, replicate=replicate, recipe=arm.recipe)
        for place, arm in enumerate(handed_on.arms) for replicate in range(2)
    )  # fmt: skip
    stage = StageResults("confirm", handed_on.arms, runs, facts={CANDIDATES: handed_on.choice})
    findings = Findings.of(replace(results, stages={"confirm": stage}))
    assert findings.confirmation is not None
    assert set(findings.confirmation.unfinished) == {arm.name for arm in handed_on.arms}
    assert "The search trained it for 2 epochs only, to " in incumbent_sentences(findings)[0]
    assert "3 of them were not trained to the end in the search." in choice_note(findings.confirmation)


def test_choice_is_recorded_before_the_first_run_and_a_restart_keeps_it(tmp_path: Path) -> None:
    study = toy_study(method="bayes", run_cap=6, baseline={"epochs": 1}, confirm={"top": 2, "seeds": 2})
    with pytest.raises(KeyboardInterrupt):
        run_inline(study, tmp_path, Interrupting(6 * 3))  # at the start of confirm's first run
    killed = open_results(tmp_path, "toy").stages["confirm"]
    assert not any(trial.curve for trial in killed.trials)
    choice = killed.facts[CANDIDATES]
    assert [f"trial {entry['trial']}" for entry in choice["trials"]] == [arm.name for arm in killed.arms]
    result = run_inline(study, tmp_path)
    assert result.complete
    confirm = result.results.stages["confirm"]
    assert confirm.facts[CANDIDATES] == choice
    assert confirm.arms == killed.arms
    assert "by which it became a candidate, expected" in incumbent_sentences(Findings.of(result.results))[0]
