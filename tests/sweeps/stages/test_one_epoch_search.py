"""A search in two rounds on a real storage: all for an epoch, the best to the end, whatever happens in between."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sweeps.storage.results import Results
from sweeps.storage.runs import open_results
from sweeps.study.study import Study
from sweeps.trial.trial import Status
from tests.sweeps.support import Events, Interrupting, acknowledged, run_inline, toy_study

RULE = {"type": "one_epoch", "epochs": 2, "top": 2}
LR = {"distribution": "log_uniform_values", "min": 1e-4, "max": 10.0}


def shortlisted(**settings: Any) -> Study:
    """Six trials of four epochs, of which all train two and two go on."""
    return toy_study(**{"early_terminate": RULE, "baseline": {"epochs": 4}, **settings})


def outcomes(results: Results) -> list[Any]:
    return [(trial.number, trial.status, trial.value, dict(trial.curve), trial.reason) for trial in results.trials]


def test_all_train_as_far_as_the_rule_says_and_the_best_go_on(tmp_path: Path) -> None:
    events = Events()
    result = run_inline(shortlisted(), tmp_path, events)
    assert result.complete
    complete = [trial for trial in result.results.trials if trial.status is Status.COMPLETE]
    pruned = [trial for trial in result.results.trials if trial.status is Status.PRUNED]
    assert (len(complete), len(pruned)) == (2, 4)
    assert all(trial.epochs == 4 for trial in complete)
    assert all(list(trial.curve) == [1, 2] for trial in pruned)
    assert min(trial.curve[2] for trial in complete) >= max(trial.curve[2] for trial in pruned)
    assert {trial.reason for trial in pruned} == {"not among the best 2 at epoch 2"}
    assert events.paused == [(number, 2) for number in range(6)]


def test_nobody_goes_on_before_all_have_come_and_no_epoch_is_trained_twice(tmp_path: Path) -> None:
    run_inline(shortlisted(), tmp_path)
    order = acknowledged(tmp_path)
    assert order[:12] == [(number, epoch) for number in range(6) for epoch in (1, 2)]
    assert len(order) == len(set(order)) == 12 + 2 * 2


def test_pruned_ones_are_told_with_what_they_had_and_hold_their_device_seconds(tmp_path: Path) -> None:
    results = run_inline(shortlisted(baseline={"epochs": 4, "pause": 0.01}), tmp_path).results
    for trial in results.trials:
        assert trial.seconds == pytest.approx(sum(row["device_seconds"] for row in results.rows(trial.number)), abs=0.1)
        assert (results.trial_folder(trial.number) / "checkpoint").exists() == (trial.status is Status.COMPLETE)


def test_broken_off_at_any_event_it_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"run_cap": 4}
    whole = run_inline(shortlisted(**settings), tmp_path / "whole").results
    broken_off = 0
    while True:
        try:
            parts = run_inline(shortlisted(**settings), tmp_path / "parts", _Growing(broken_off)).results
            break
        except KeyboardInterrupt:
            broken_off += 1
    assert broken_off > 5
    assert outcomes(parts) == outcomes(whole)
    assert len(acknowledged(tmp_path / "parts")) - len(acknowledged(tmp_path / "whole")) <= broken_off


class _Growing(Interrupting):
    """Breaks off after ever more events, since a start tells anew of who waits."""

    def __init__(self, before: int) -> None:
        super().__init__(1 + before)


def test_workload_without_checkpoints_repeats_its_epochs_and_ends_alike(tmp_path: Path) -> None:
    whole = run_inline(shortlisted(), tmp_path / "saving").results
    result = run_inline(shortlisted(baseline={"epochs": 4, "saves": 0}), tmp_path / "bare")
    assert outcomes(result.results) == outcomes(whole)
    trained = Counter(number for number, _ in acknowledged(tmp_path / "bare"))
    going_on = {trial.number for trial in whole.trials if trial.status is Status.COMPLETE}
    first = {0: 3}  # nobody knew yet that it saves nothing: it leaves when it asks for a third epoch to count
    assert trained == {n: first.get(n, 2) + (4 if n in going_on else 0) for n in range(6)}


def test_broken_trials_take_no_place_on_the_shortlist(tmp_path: Path) -> None:
    faults = {"fault": {"values": ["none", "nan", "raise", "too", "three"]}}
    study = shortlisted(
        method="grid", run_cap=5, parameters=faults, baseline={"epochs": 4, "fault_epoch": 2},
        metric={"name": "train_loss", "goal": "minimize"},
    )  # fmt: skip
    results = run_inline(study, tmp_path).results
    status = {trial.parameters["fault"]: trial.status for trial in results.trials}
    assert (status["nan"], status["raise"]) == (Status.DIVERGED, Status.FAILED)
    assert Counter(status[name] for name in ("none", "too", "three")) == {Status.COMPLETE: 2, Status.PRUNED: 1}


def test_grown_search_holds_newcomers_against_all(tmp_path: Path) -> None:
    before = run_inline(shortlisted(), tmp_path).results
    after = run_inline(shortlisted(run_cap=12), tmp_path).results
    assert outcomes(after)[:6] == outcomes(before)
    at_two = sorted((trial.curve[2] for trial in after.trials), reverse=True)
    newcomers = [trial for trial in after.trials[6:] if trial.status is Status.COMPLETE]
    assert [trial.number for trial in newcomers] == [
        trial.number for trial in after.trials[6:] if trial.curve[2] >= at_two[1]
    ]
    assert after.counted == 12


def test_what_waits_stands_in_the_storage_as_unfinished(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_inline(shortlisted(), tmp_path, Interrupting(15))
    results = open_results(tmp_path, "toy")
    assert {trial.status for trial in results.trials} == {Status.RUNNING}
    assert all(trial.seconds > 0 for trial in results.trials if trial.epochs == 2)


def test_budget_holds_back_what_the_best_need(tmp_path: Path) -> None:
    study = shortlisted(
        run_cap=60, baseline={"epochs": 4, "pause": 0.1}, budget={"gpu_hours": 2 / 3600},
        early_terminate={"type": "one_epoch", "top": 1},
    )  # fmt: skip
    result = run_inline(study, tmp_path)
    counts = result.results.counts()
    assert counts[Status.COMPLETE] == 1
    assert counts[Status.PRUNED] == len(result.results.trials) - 1 < 59
    assert result.exhausted == "search"
    assert not run_inline(study, tmp_path).complete  # nor does a restart begin another
    assert len(open_results(tmp_path, "toy").trials) == len(result.results.trials)


def test_finished_run_in_the_cache_waits_like_the_others(tmp_path: Path) -> None:
    grid: dict[str, Any] = {"method": "grid", "run_cap": 3, "parameters": {"lr": {"values": [0.001, 0.1, 0.01]}}}
    full = toy_study(name="full", **grid)
    run_inline(full, tmp_path, cache=True)
    trained = len(acknowledged(tmp_path))
    study = shortlisted(**grid, early_terminate={"type": "one_epoch", "top": 1})
    events = Events()
    results = run_inline(study, tmp_path, events, cache=True).results
    assert len(acknowledged(tmp_path)) == trained
    assert [trial.status for trial in results.trials] == [Status.PRUNED, Status.COMPLETE, Status.PRUNED]
    assert events.paused == [(0, 1), (1, 1), (2, 1)]
    assert all(trial.source.startswith("full/search/") for trial in results.trials)
