from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sweeps.evidence.findings import Findings
from sweeps.report.answer import answer, cost_sentences, tiles
from sweeps.report.data import ReportData
from sweeps.report.tables.catalogue import cost_tables
from sweeps.report.tables.cost import cost_of
from sweeps.storage.results import Results
from sweeps.trial.trial import Status

from .conftest import trial_of

Make = Callable[..., Results]


def answer_of(results: Results) -> list[str]:
    return answer(Findings.of(results))


def test_the_best_is_named_with_its_count_value_epochs_size_and_doubt(make_results: Make) -> None:
    best = trial_of(7, curve={1: 90.0, 8: 97.8}, cost={"parameters": 76_202})
    results = make_results(*(trial_of(number) for number in range(1, 7)), best)
    assert answer_of(results) == [
        "Best of 7 trials: trial 7, validation accuracy 97.80 % after 8 epochs with 76,202 parameters (budget "
        "100,000), a single run selected as a maximum, so optimistic: confirm it over seeds."
    ]


def test_rejected_and_failed_trials_are_not_among_those_the_best_is_of(make_results: Make) -> None:
    results = make_results(trial_of(0), trial_of(1), trial_of(2, Status.REJECTED), trial_of(3, Status.FAILED))
    assert answer_of(results)[0].startswith("Best of 2 trials: trial 0,")


def test_a_single_trial_is_no_maximum(make_results: Make) -> None:
    assert "the only trial" in answer_of(make_results(trial_of(1)))[0]
    assert "maximum" not in answer_of(make_results(trial_of(1)))[0]


def test_an_unfinished_study_says_so_far(make_results: Make) -> None:
    results = make_results(trial_of(0), trial_of(1), trial_of(2, Status.RUNNING))
    assert answer_of(results)[0].startswith("Best so far (1 still running) of 2 trials")


def test_minimising_selects_a_minimum_and_the_metric_goes_by_its_name(make_results: Make) -> None:
    trials = [trial_of(1, curve={1: 0.51239}), trial_of(2, curve={1: 0.7})]
    text = answer_of(make_results(*trials, metric={"name": "val_loss", "goal": "minimize"}))[0]
    assert "trial 1, val_loss 0.5124 after 1 epoch" in text
    assert "selected as a minimum" in text


def test_a_maximum_over_epochs_is_labelled(make_results: Make) -> None:
    metric = {"name": "val_accuracy", "goal": "maximize", "at": "best"}
    text = answer_of(make_results(trial_of(1), trial_of(2), metric=metric))[0]
    assert "at the best of 2 epochs (itself a maximum over epochs)" in text


def test_the_baseline_is_compared_in_points_and_not_called_a_test(results: Results) -> None:
    best, baseline = results.ranked()[0], results.trials[0]
    assert best.value is not None
    assert baseline.value is not None
    assert (
        f"by {best.value - baseline.value:+.2f} pp, a difference between single runs, not a test"
        in answer_of(results)[1]
    )


def test_without_a_finished_trial_the_counts_are_the_answer(make_results: Make) -> None:
    trials = [trial_of(n, Status.PRUNED) for n in range(3)] + [trial_of(n, Status.DIVERGED) for n in (3, 4)]
    assert answer_of(make_results(*trials)) == [
        "No answer yet: none of 5 trials has finished (3 pruned and 2 diverged)."
    ]
    assert answer_of(make_results()) == ["No answer yet: no trial has been started."]


def test_cost_counts_hours_and_what_pruning_saved(make_results: Make) -> None:
    whole = {epoch: 50.0 + epoch for epoch in range(1, 10)}
    trials = [trial_of(0, curve=whole), trial_of(1, Status.PRUNED), trial_of(2, Status.REJECTED)]
    cost = cost_of(make_results(*trials))
    assert (cost.unit, cost.epochs, cost.epochs_full, cost.epochs_saved, cost.never_trained) == (
        "CPU-hours",
        11,
        18,
        7,
        1,
    )
    assert cost.total == pytest.approx(11 / 60)
    assert cost.by_state[Status.PRUNED] == (1, 2, pytest.approx(2 / 60))


def test_a_share_of_a_gpu_costs_that_share(make_results: Make) -> None:
    results = make_results(trial_of(0, seconds=3600.0), resources={"gpu": 0.5}, environment={"device": "cuda"})
    assert (cost_of(results).unit, cost_of(results).total) == ("GPU-hours", 0.5)


def test_refused_configurations_are_priced_by_their_macs(make_results: Make) -> None:
    complete = replace(trial_of(0), seconds=3600.0, cost={"parameters": 10, "macs": 100})
    refused = [
        replace(trial_of(n, Status.REJECTED), cost={"parameters": 90, "macs": macs}) for n, macs in ((1, 300), (2, 50))
    ]
    cost = cost_of(make_results(complete, *refused))
    assert cost.gate_hours == pytest.approx(3.5)
    sentence = (
        "2 configurations rejected by the constraints before training: about 3.50 CPU-hours saved "
        "(estimate: by MACs, at the pace per epoch of 1 completed run)."
    )
    assert sentence in cost_sentences(cost)


def test_what_was_saved_is_priced_without_the_start_up_of_a_run(make_results: Make) -> None:
    complete = replace(trial_of(0), seconds=20.0, cost={"macs": 100})  # 2 epochs of 4 s after 12 s of starting up
    again = replace(complete, number=3, seconds=8.0)
    refused = replace(trial_of(1, Status.REJECTED), cost={"macs": 300})
    pruned = trial_of(2, Status.PRUNED, curve={1: 5.0}, seconds=16.0)
    results = make_results(complete, refused, pruned, again)
    times = {("search", 0): [16.0, 4.0], ("search", 3): [4.0, 4.0], ("search", 2): [16.0]}
    cost = cost_of(results, times)
    assert cost.gate_hours == pytest.approx(3 * 8 / 3600)
    assert cost.stopped_hours == pytest.approx(16 / 3600)  # its only epoch
    assert cost_of(results).gate_hours == pytest.approx(3 * 14 / 3600)  # without times: the whole runs
    assert "at the pace per epoch of 2 completed runs" in cost_sentences(cost)[-1]


def test_short_costs_are_durations(make_results: Make) -> None:
    results = make_results(trial_of(0, seconds=4.2))
    cost = cost_of(results)
    assert cost_sentences(cost)[0] == "4.2 s of CPU time in all, 4.2 s per completed trial."
    _, spent = tiles(results, cost)
    assert ("CPU time", "4.2 s", "4.2 s per completed trial") in [(tile.label, tile.value, tile.note) for tile in spent]
    (table,) = cost_tables(ReportData(Findings.of(results)))
    assert "| CPU time |" in table.grid.markdown()
    assert "| 4.2 s |" in table.grid.markdown()
    assert "CPU-hours" in table.data  # the CSV file keeps the number


def test_only_pruned_trials_are_weighed_against_the_written_epochs(make_results: Make) -> None:
    results = make_results(trial_of(0, Status.PRUNED), early_terminate={"type": "asha", "min_iter": 1, "max_iter": 9})
    assert cost_of(results).epochs_saved == 7
    assert (
        "2 of 9 epochs trained: early termination saved 7 (78 %), about 0.12 CPU-hours "
        "(estimate: at each pruned trial's own pace per epoch)."
    ) in cost_sentences(cost_of(results))


def test_tiles_show_every_status_that_occurs(make_results: Make) -> None:
    results = make_results(trial_of(0), trial_of(1, Status.OUT_OF_MEMORY))
    ended, spent = tiles(results, cost_of(results))
    shown = {tile.label: tile.value for tile in ended}
    assert shown == {
        "complete": "1",
        "pruned": "0",
        "diverged": "0",
        "rejected": "0",
        "failed": "0",
        "out of memory": "1",
    }
    assert {tile.label: tile.value for tile in spent}["limit on parameters"] == "100,000"
