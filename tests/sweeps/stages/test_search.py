"""The search stage with a faulty workload: recorded trials, messages, and resumption."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from sweeps.formatting import status_name
from sweeps.pruners.asha import Asha
from sweeps.pruners.factory import stopping_rule
from sweeps.report.tables.outcomes import ends
from sweeps.stages.base import UnknownMetric
from sweeps.storage.results import Results
from sweeps.storage.study_storage import StudyStorage
from sweeps.trial.trial import Status
from sweeps.workload import load
from tests.sweeps.support import ASHA, Events, Interrupting, acknowledged, run_inline, toy_study


def stored(results: Results) -> list[optuna.trial.FrozenTrial]:
    """The trials as a plain Optuna user finds them."""
    return optuna.load_study(study_name="search", storage=f"sqlite:///{results.folder / 'study.db'}").trials


def test_run_cap_counts_exactly(tmp_path: Path) -> None:
    results = run_inline(toy_study(run_cap=7), tmp_path).results
    assert results.counted == 7
    assert results.counts()[Status.COMPLETE] == 7


def test_best_is_the_trial_nearest_to_the_optimum(tmp_path: Path) -> None:
    best = run_inline(toy_study(run_cap=12), tmp_path).results.ranked()[0]
    assert best.value == pytest.approx(100 * math.exp(-((math.log10(best.parameters["lr"]) + 1) ** 2)), rel=0.1)


def test_baseline_is_the_first_trial_where_the_space_contains_it(tmp_path: Path) -> None:
    assert run_inline(toy_study(run_cap=2), tmp_path).results.trials[0].parameters == {"lr": 0.05}


def test_baseline_outside_the_space_is_not_tried(tmp_path: Path) -> None:
    study = toy_study(run_cap=2, parameters={"lr": {"min": 1.0, "max": 2.0}})
    assert all(trial.parameters["lr"] >= 1.0 for trial in run_inline(study, tmp_path).results.trials)


def test_stopped_trials_are_pruned_with_all_their_values_and_none_is_complete_truncated(tmp_path: Path) -> None:
    study = toy_study(method="bayes", run_cap=20, baseline={"epochs": 8}, early_terminate=ASHA)
    results = run_inline(study, tmp_path).results
    trials = stored(results)
    done = acknowledged(tmp_path)
    for trial in trials:
        epochs = [epoch for number, epoch in done if number == trial.number]
        assert sorted(trial.intermediate_values) == epochs
        assert (trial.state is TrialState.COMPLETE) == (len(epochs) == 8)
    assert sum(trial.state is TrialState.PRUNED for trial in trials) >= 5


@pytest.mark.parametrize(
    ("fault", "status", "state", "reason"),
    [
        ("nan", Status.DIVERGED, TrialState.PRUNED, "train_loss was nan in epoch 2"),
        ("inf", Status.DIVERGED, TrialState.PRUNED, "val_accuracy was inf in epoch 2"),
        ("memory", Status.OUT_OF_MEMORY, TrialState.PRUNED, "MemoryError: the toy is too large"),
        (
            "device memory",
            Status.OUT_OF_MEMORY,
            TrialState.PRUNED,
            "OutOfMemory: peak 7.1 of 8.0 GiB; batch_size 64 would fit",
        ),
        ("raise", Status.FAILED, TrialState.FAIL, "RuntimeError: <b>the toy broke</b>"),
        (
            "text",
            Status.FAILED,
            TrialState.FAIL,
            "TypeError: train must yield numbers, but yielded val_accuracy='high'",
        ),
    ],
)
def test_fault_is_recorded_and_the_study_goes_on(
    tmp_path: Path, fault: str, status: Status, state: TrialState, reason: str
) -> None:
    study = toy_study(method="grid", run_cap=2, parameters={"fault": {"values": [fault, "none"]}})
    result = run_inline(study, tmp_path)
    broken = result.results.trials[0]
    assert (broken.status, broken.reason) == (status, reason)
    assert stored(result.results)[0].state is state
    assert result.results.counts()[Status.COMPLETE] == 1
    assert [(each.status, [why.text for why in each.reasons]) for each in ends(result.results)] == [
        (status_name(status), [reason])
    ]


def test_diverged_trial_counts_with_chance_accuracy(tmp_path: Path) -> None:
    study = toy_study(run_cap=1, baseline={"fault": "nan", "epochs": 4}, parameters={"lr": {"min": 0.01, "max": 0.1}})
    trial = run_inline(study, tmp_path).results.trials[0]
    assert trial.status is Status.DIVERGED
    assert trial.curve[2] == 10.0
    assert trial.value is None


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_diverged_trial_without_known_chance_never_looks_good(tmp_path: Path, goal: str) -> None:
    study = toy_study(
        method="grid", run_cap=3, metric={"name": "train_loss", "goal": goal}, early_terminate=ASHA,
        baseline={"fault_epoch": 1}, parameters={"fault": {"values": ["nan", "none", "no"]}},
    )  # fmt: skip
    results = run_inline(study, tmp_path).results
    assert results.trials[0].status is Status.DIVERGED
    assert results.trials[0].curve == {}
    assert [trial.status for trial in results.trials[1:]] == [Status.COMPLETE, Status.COMPLETE]  # not pruned against it


def test_workload_that_exits_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    study = toy_study(method="grid", run_cap=2, parameters={"fault": {"values": ["exit", "none"]}})
    results = run_inline(study, tmp_path).results
    assert (results.trials[0].status, results.trials[0].reason) == (Status.FAILED, "SystemExit: 3")
    assert results.counts()[Status.COMPLETE] == 1


def test_search_that_finds_nothing_more_lets_running_trials_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweeps.samplers.sampler.MAX_REFUSED_IN_A_ROW", 8)
    study = toy_study(run_cap=4, constraints=["parameters <= 128"], parameters={"net.width": {"min": 8, "max": 10_000}})
    result = run_inline(study, tmp_path)  # the baseline fits, nothing else that is drawn does
    assert "8 configurations in a row" in result.failure
    assert result.results.counts()[Status.COMPLETE] >= 1
    assert result.results.counts()[Status.RUNNING] == 0


def test_constant_among_the_parameters_is_part_of_every_decision(tmp_path: Path) -> None:
    parameters = {"epochs": {"value": 8}, "lr": {"min": 0.01, "max": 0.5}}
    results = run_inline(toy_study(parameters=parameters, early_terminate=ASHA, run_cap=6), tmp_path).results
    assert {trial.epochs for trial in results.trials if trial.status is Status.COMPLETE} == {8}
    assert max(trial.epochs for trial in results.trials if trial.status is Status.PRUNED) <= 4
    assert stopping_rule(results.study, load("tests.toy")) == Asha(1, 8, 2, "maximize")


def test_failure_leaves_its_traceback_in_the_log(tmp_path: Path) -> None:
    study = toy_study(method="grid", run_cap=2, parameters={"fault": {"values": ["raise", "none"]}})
    results = run_inline(study, tmp_path).results
    assert "_go_wrong" in (results.trial_folder(0) / "log.txt").read_text()


def test_failed_configuration_is_tried_again_but_not_for_ever(tmp_path: Path) -> None:
    study = toy_study(method="grid", run_cap=3, parameters={"fault": {"values": ["none", "raise", "also none"]}})
    result = run_inline(study, tmp_path)
    assert [trial.status for trial in result.results.trials].count(Status.FAILED) == 3
    assert result.results.counts()[Status.COMPLETE] >= 1


def test_search_gives_up_when_every_trial_fails(tmp_path: Path) -> None:
    result = run_inline(toy_study(baseline={"fault": "raise", "fault_epoch": 1}), tmp_path)
    assert result.failure.startswith("3 trials in a row failed")
    assert "the toy broke" in result.failure
    assert not result.complete


def test_metric_that_is_never_yielded_ends_the_study_at_the_first_epoch_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnknownMetric) as refused:
        run_inline(toy_study(metric={"name": "val_acuracy", "goal": "maximize"}), tmp_path)
    assert str(refused.value) == (
        "metric.name: the workload yields no 'val_acuracy'; did you mean 'val_accuracy'? "
        "it yields: val_accuracy, train_loss"
    )
    assert acknowledged(tmp_path) == [(0, 1)]
    assert not (tmp_path / "toy").exists()
    assert run_inline(toy_study(run_cap=2), tmp_path).complete


def test_metric_that_is_missing_later_is_the_failure_of_its_trial(tmp_path: Path) -> None:
    study = toy_study(baseline={"fault": "nothing", "fault_epoch": 2}, run_cap=1)
    result = run_inline(study, tmp_path)
    assert result.results.trials[0].reason == "the workload yields no 'val_accuracy'; it yields: nothing"


def test_minimized_metric_ranks_the_smallest_first(tmp_path: Path) -> None:
    study = toy_study(metric={"name": "train_loss", "goal": "minimize"}, early_terminate=ASHA, run_cap=10)
    values = [trial.value for trial in run_inline(study, tmp_path).results.ranked()]
    assert values == sorted(values, key=lambda value: value or 0.0)


def test_metric_at_best_takes_the_best_epoch(tmp_path: Path) -> None:
    study = toy_study(metric={"name": "train_loss", "goal": "minimize", "at": "best"}, run_cap=3)
    for trial in run_inline(study, tmp_path).results.ranked():
        assert trial.value == min(trial.curve.values())


def test_finished_study_runs_nothing_again(tmp_path: Path) -> None:
    study = toy_study(run_cap=3)
    before = run_inline(study, tmp_path).results
    events = Events()
    after = run_inline(study, tmp_path, events).results
    assert after.trials == before.trials
    assert events.started == []


def test_grown_run_cap_adds_trials_and_repeats_none(tmp_path: Path) -> None:
    first = run_inline(toy_study(run_cap=3), tmp_path).results
    grown = run_inline(toy_study(run_cap=5), tmp_path).results
    assert grown.trials[:3] == first.trials
    assert grown.counted == 5
    assert len(set(acknowledged(tmp_path))) == len(acknowledged(tmp_path)) == 5 * 4


def test_sampler_seed_moves_on_after_a_restart(tmp_path: Path) -> None:
    run_inline(toy_study(run_cap=3), tmp_path)
    trials = run_inline(toy_study(run_cap=6), tmp_path).results.trials
    drawn = [trial.parameters["lr"] for trial in trials]
    assert len(set(drawn)) == 6


@pytest.mark.parametrize("every", [2, 3, 7])
def test_search_broken_off_again_and_again_equals_an_unbroken_one(tmp_path: Path, every: int) -> None:
    settings: dict[str, Any] = {
        "method": "bayes",
        "run_cap": 8,
        "early_terminate": ASHA,
        "constraints": ["parameters <= 200"],
        "parameters": {"lr": {"min": 0.001, "max": 1.0}, "net.width": {"values": [4, 8, 16]}},
    }
    whole = run_inline(toy_study(**settings), tmp_path / "whole").results
    broken_off = 0
    while True:
        try:
            parts = run_inline(toy_study(**settings), tmp_path / "parts", Interrupting(every)).results
            break
        except KeyboardInterrupt:
            broken_off += 1
    assert broken_off >= 3
    assert [(t.parameters, t.status, t.curve, t.value) for t in parts.trials] == [
        (t.parameters, t.status, t.curve, t.value) for t in whole.trials
    ]
    repeated = len(acknowledged(tmp_path / "parts")) - len(acknowledged(tmp_path / "whole"))
    assert repeated <= broken_off


def test_records_agree_with_the_storage(tmp_path: Path) -> None:
    parameters = {"net.width": {"values": [4, 8, 16, 32]}, "lr": {"min": 0.01, "max": 0.5}}
    study = toy_study(run_cap=5, early_terminate=ASHA, constraints=["parameters <= 200"], parameters=parameters)
    run_inline(study, tmp_path)
    storage = StudyStorage(tmp_path / "toy", study)
    storage.reconcile()
    assert any(trial.status is Status.REJECTED for trial in storage.search.trials())


@pytest.mark.parametrize(
    ("goal", "metric", "target"), [("maximize", "val_accuracy", 60.0), ("minimize", "train_loss", 0.5)]
)
@pytest.mark.parametrize("at", ["last", "best"])
def test_search_ends_once_a_trial_has_reached_the_target(
    tmp_path: Path, goal: str, metric: str, target: float, at: str
) -> None:
    settings = {"name": metric, "goal": goal, "at": at}
    study = toy_study(metric={**settings, "target": target}, run_cap=6, baseline={"lr": 5.0})
    results = run_inline(study, tmp_path).results
    reached = [study.metric.reached_by(trial.value) for trial in results.trials]
    assert reached == [False] * (len(reached) - 1) + [True]
    assert 1 < len(reached) < 6
    again = run_inline(toy_study(metric=settings, run_cap=6, baseline={"lr": 5.0}), tmp_path).results
    assert again.counted == 6, "without the target the search goes on"


def test_target_that_no_trial_reaches_changes_nothing(tmp_path: Path) -> None:
    study = toy_study(metric={"name": "val_accuracy", "goal": "maximize", "target": 101.0}, run_cap=3)
    assert run_inline(study, tmp_path).results.counted == 3
