"""A search whose trials pause at rungs, on a real storage: who goes on, whatever happens in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from sweeps.artifacts.layout import trial_folder
from sweeps.evidence.caveats import caveats
from sweeps.pruners.promotion import Promotion
from sweeps.stages.pausing.promoting import NO_CHECKPOINTS
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results
from sweeps.study.study import Study
from sweeps.trial.trial import Status, Trial
from tests.sweeps.support import Events, Interrupting, acknowledged, run_inline, toy_study

RULE: dict[str, Any] = {"type": "asha", "mode": "promote", "eta": 2}
WIDTHS = {"lr": {"distribution": "log_uniform_values", "min": 1e-3, "max": 3.0}, "net.width": {"values": [8, 12, 16]}}


def promoting(**settings: Any) -> Study:
    """Eight trials of eight epochs with rungs at 1, 2 and 4."""
    return toy_study(**{"early_terminate": RULE, "baseline": {"epochs": 8}, "run_cap": 8, **settings})


def outcomes(results: Results) -> list[Any]:
    """What has become of each trial, and why; without times."""
    return [
        (trial.number, trial.status, trial.value, dict(trial.curve), trial.reason, trial.parameters, timeless(trial))
        for trial in results.trials
    ]


def timeless(trial: Trial) -> list[dict[str, Any]]:
    return [{key: value for key, value in each.items() if key != "load_s"} for each in trial.decisions]


def decided(results: Results) -> list[tuple[int, dict[str, Any]]]:
    """The decisions of a search in their order, each with its trial."""
    decisions = [(trial.number, dict(decision)) for trial in results.trials for decision in trial.decisions]
    return sorted(decisions, key=lambda item: item[1]["order"])


def of_status(results: Results, status: Status) -> list[Trial]:
    return [trial for trial in results.trials if trial.status is status]


def test_trials_pause_at_rungs_and_one_trains_to_the_end(tmp_path: Path) -> None:
    events = Events()
    result = run_inline(promoting(), tmp_path, events)
    assert result.complete
    assert result.results.counted == 8
    [complete] = of_status(result.results, Status.COMPLETE)
    pruned = of_status(result.results, Status.PRUNED)
    assert len(pruned) == 7
    assert {trial.epochs for trial in pruned} <= {1, 2, 4}
    assert all(trial.reason == f"paused at epoch {trial.epochs}, not promoted" for trial in pruned)
    assert {epoch for _, epoch in events.paused} == {1, 2, 4}
    assert (complete.number, 4) in events.paused
    order = acknowledged(tmp_path)
    assert len(order) == len(set(order))  # no epoch is trained twice
    assert len(order) < 8 * 8 / 2


def test_each_decision_is_recorded_and_is_that_of_the_rule(tmp_path: Path) -> None:
    results = run_inline(promoting(), tmp_path).results
    rule = Promotion(1, 8, 2, "maximize")
    decisions = decided(results)
    assert [decision["order"] for _, decision in decisions] == list(range(len(decisions)))
    curves: dict[int, dict[int, float]] = {}
    for number, decision in decisions:
        waiting = {other for other, curve in curves.items() if max(curve) < 8}
        due = rule.due(curves, waiting)
        if due is not None:
            assert (number, decision["why"], decision["rung"]) == (due.number, "promoted", due.facts)
        elif decision["why"] == "new":
            assert (number, decision["from"]) == (len(curves), 0)
        else:
            closest = rule.closest(curves, waiting)
            assert closest is not None
            assert (number, decision["why"], len(curves)) == (closest.number, "to the end", 8)
        assert decision["cost"] == decision["until"] - decision["from"]
        assert decision.get("last", False) == (decision["until"] == 8)
        curve = results.trials[number].curve
        curves[number] = {epoch: value for epoch, value in curve.items() if epoch <= decision["until"]}
    assert {number: max(curve) for number, curve in curves.items()} == {t.number: t.epochs for t in results.trials}


@contextmanager
def broken_off_at_commit(number: int) -> Iterator[None]:
    """Raise KeyboardInterrupt instead of the `number`-th commit of the storage."""
    left = [number]

    def count(connection: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    event.listen(Engine, "commit", count)
    try:
        yield
    finally:
        event.remove(Engine, "commit", count)


def run_in_parts(study: Study, runs: Path) -> tuple[Results, int]:
    """Run a study by drivers of which each is broken off a few commits later than the one before; how many were."""
    broken_off = 0
    while True:
        try:
            with broken_off_at_commit(12 + 3 * broken_off):
                return run_inline(study, runs).results, broken_off
        except KeyboardInterrupt:
            broken_off += 1


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "random"},
        {"method": "bayes"},
        {"method": "tpe", "parameters": WIDTHS, "constraints": ["parameters <= 300"]},
        {"early_terminate": {**RULE, "type": "hyperband"}},
        {"baseline": {"epochs": 8, "fault": "nan", "fault_epoch": 3}},
    ],
    ids=["random", "bayes", "tpe with a limit", "hyperband", "diverging"],
)
def test_broken_off_between_any_two_writes_it_ends_as_an_unbroken_one(tmp_path: Path, settings: dict[str, Any]) -> None:
    whole = run_inline(promoting(run_cap=5, **settings), tmp_path / "whole").results
    parts, broken_off = run_in_parts(promoting(run_cap=5, **settings), tmp_path / "parts")
    assert broken_off > 4
    assert outcomes(parts) == outcomes(whole)
    assert len(acknowledged(tmp_path / "parts")) - len(acknowledged(tmp_path / "whole")) <= broken_off


def test_a_grid_is_walked_in_its_order_and_promoted_alike(tmp_path: Path) -> None:
    parameters = {"lr": {"values": [0.1, 0.001, 0.03, 1.0, 0.01, 0.3]}}
    results = run_inline(promoting(method="grid", run_cap=6, parameters=parameters), tmp_path).results
    assert [trial.parameters["lr"] for trial in results.trials] == parameters["lr"]["values"]
    assert [trial.parameters["lr"] for trial in of_status(results, Status.COMPLETE)] == [0.1]


def test_as_many_train_to_the_end_as_confirm_takes(tmp_path: Path) -> None:
    results = run_inline(promoting(confirm={"top": 3, "seeds": 2}), tmp_path, stage="search").results
    complete, pruned = of_status(results, Status.COMPLETE), of_status(results, Status.PRUNED)
    assert (len(complete), len(pruned)) == (3, 5)
    ends = [number for number, decision in decided(results) if decision["why"] == "to the end"]
    assert set(ends) <= {trial.number for trial in complete}
    fewer = run_inline(promoting(run_cap=2, name="few"), tmp_path, stage="search").results
    assert len(of_status(fewer, Status.COMPLETE)) == 1


def test_what_waits_is_paused_in_the_storage_with_one_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_inline(promoting(), tmp_path, Interrupting(30))
    results = open_results(tmp_path, "toy")
    paused = [trial for trial in results.trials if trial.paused]
    assert len(paused) > 2
    assert {trial.status for trial in paused} == {Status.RUNNING}
    for trial in paused:
        saved = [path.name for path in (results.trial_folder(trial.number) / "checkpoint").iterdir()]
        assert saved == [f"{trial.epochs:04d}"]


def test_workload_without_checkpoints_stops_its_trials_for_good(tmp_path: Path) -> None:
    bare: dict[str, Any] = {"baseline": {"epochs": 8, "saves": 0}}
    events = Events()
    results = run_inline(promoting(**bare), tmp_path, events).results
    assert events.notes == [f"search: {NO_CHECKPOINTS}"]
    stopping = promoting(**bare, name="stop", early_terminate={**RULE, "mode": "stop"})
    stopped = run_inline(stopping, tmp_path).results
    assert results.facts == {"stops": NO_CHECKPOINTS}
    assert f"{NO_CHECKPOINTS[0].upper()}{NO_CHECKPOINTS[1:]}." in caveats(results)
    assert [decision["why"] for decision in results.trials[0].decisions] == ["new", "stops"]
    assert [(t.status, t.curve, t.reason) for t in results.trials] == [
        (t.status, t.curve, t.reason) for t in stopped.trials
    ]
    again = Events()
    grown = run_inline(promoting(**bare, run_cap=10), tmp_path, again).results
    assert again.notes == []
    assert again.paused == []
    assert grown.counted == 10


def test_workload_without_checkpoints_killed_at_any_write_ends_alike(tmp_path: Path) -> None:
    bare = {"epochs": 4, "saves": 0}
    whole = run_inline(promoting(run_cap=3, baseline=bare), tmp_path / "whole").results
    parts, broken_off = run_in_parts(promoting(run_cap=3, baseline=bare), tmp_path / "parts")
    assert broken_off > 1
    assert [(t.status, t.curve) for t in parts.trials] == [(t.status, t.curve) for t in whole.trials]


def test_grown_search_leaves_ended_trials_and_ranks_newcomers_among_all(tmp_path: Path) -> None:
    before = run_inline(promoting(), tmp_path).results
    after = run_inline(promoting(run_cap=14), tmp_path).results
    assert outcomes(after)[:8] == outcomes(before)
    assert after.counted == 14
    at_one = sorted((trial.curve[1] for trial in after.trials), reverse=True)
    for trial in after.trials[8:]:
        assert trial.epochs == 1 or trial.curve[1] >= at_one[14 // 2 - 1]


def test_a_target_that_is_reached_ends_the_search_without_further_promotions(tmp_path: Path) -> None:
    metric = {"name": "val_accuracy", "goal": "maximize", "target": 1.0}
    results = run_inline(promoting(run_cap=40, metric=metric), tmp_path).results
    decisions = decided(results)
    assert len(of_status(results, Status.COMPLETE)) == 1
    assert results.counted < 40
    assert decisions[-1][1].get("last")


def test_broken_trials_count_at_their_rung_and_failed_ones_do_not(tmp_path: Path) -> None:
    faults = {"fault": {"values": ["none", "memory", "raise", "nan"]}}
    study = promoting(method="grid", run_cap=4, parameters=faults, baseline={"epochs": 8, "fault_epoch": 1})
    results = run_inline(study, tmp_path).results
    assert Counter(trial.status for trial in results.trials if trial.parameters["fault"] != "raise") == {
        Status.COMPLETE: 1,
        Status.OUT_OF_MEMORY: 1,
        Status.DIVERGED: 1,
    }
    first = next(decision for number, decision in decided(results) if number == 0 and decision["why"] == "promoted")
    assert first["rung"]["reached"] == 2  # itself and the one that ran out of memory


def test_paused_trial_whose_checkpoint_is_gone_starts_again_and_ends_alike(tmp_path: Path) -> None:
    whole = run_inline(promoting(), tmp_path / "whole").results
    runs = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        run_inline(promoting(), runs, Interrupting(30))
    for checkpoint in runs.rglob("checkpoint/*/state.json"):
        checkpoint.write_text("damaged")
    assert outcomes(run_inline(promoting(), runs).results) == outcomes(whole)


def test_checkpoints_that_no_promotion_can_want_are_deleted(tmp_path: Path) -> None:
    rule, deleted = Promotion(1, 4, 2, "maximize"), 0
    for after in (60, 90):
        runs = tmp_path / str(after)
        with pytest.raises(KeyboardInterrupt):
            run_inline(promoting(run_cap=24, baseline={"epochs": 4}), runs, Interrupting(after))
        results = open_results(runs, "toy")
        curves = {trial.number: trial.curve for trial in results.trials}
        paused = [trial.number for trial in results.trials if trial.paused]
        newcomers = 24 - len(results.trials)
        without_hope = rule.hopeless(curves, paused, training=curves.keys() - set(paused), newcomers=newcomers)
        for number in paused:
            kept = (trial_folder(runs / "toy", number) / "checkpoint").exists()
            assert kept or number in without_hope
            deleted += not kept
    assert deleted


def test_all_checkpoints_stay_while_none_has_trained_to_its_end(tmp_path: Path) -> None:
    study = promoting(run_cap=5, baseline={"epochs": 9}, early_terminate={**RULE, "eta": 3})
    with pytest.raises(KeyboardInterrupt):
        run_inline(study, tmp_path, Interrupting(22))
    results = open_results(tmp_path, "toy")
    paused = [trial for trial in results.trials if trial.paused]
    curves = {trial.number: trial.curve for trial in results.trials}
    assert len(results.trials) == 5
    assert not of_status(results, Status.COMPLETE)
    assert Promotion(1, 9, 3, "maximize").hopeless(curves, [trial.number for trial in paused])
    assert all((results.trial_folder(trial.number) / "checkpoint").exists() for trial in paused)


def test_finished_run_in_the_cache_passes_its_rungs_without_training(tmp_path: Path) -> None:
    grid: dict[str, Any] = {"method": "grid", "run_cap": 3, "parameters": {"lr": {"values": [0.001, 0.1, 0.01]}}}
    run_inline(toy_study(name="full", **grid), tmp_path, cache=True)
    trained = len(acknowledged(tmp_path))
    study = promoting(**grid, baseline={"epochs": 4})
    results = run_inline(study, tmp_path, cache=True).results
    assert len(acknowledged(tmp_path)) == trained
    assert [trial.status for trial in results.trials] == [Status.PRUNED, Status.COMPLETE, Status.PRUNED]
    assert all(trial.source.startswith("full/search/") for trial in results.trials)


def test_budget_holds_back_what_one_needs_to_its_end(tmp_path: Path) -> None:
    study = promoting(
        run_cap=200, baseline={"epochs": 4, "pause": 0.03}, budget={"gpu_hours": 0.6 / 3600},
        early_terminate={**RULE, "eta": 3},
    )  # fmt: skip
    result = run_inline(study, tmp_path)
    counts = result.results.counts()
    assert counts[Status.COMPLETE] >= 1
    assert counts[Status.RUNNING] == 0
    assert len(result.results.trials) < 60
    assert result.exhausted == "search"
    again = run_inline(study, tmp_path)
    assert not again.complete
    assert len(again.results.trials) == len(result.results.trials)
