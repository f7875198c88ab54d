"""The size of a search in trainings: what has cost what, where it ends, and that it goes on when it is raised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeps.pruners.reserve import Standing, to_the_end
from sweeps.runners.protocol import Job
from sweeps.stages.budget import SearchBudget
from sweeps.storage.results import Results
from sweeps.study.study import Study
from sweeps.trial.trial import Status, Trial
from sweeps.trial.work import BaselineWork
from tests.sweeps.support import ASHA, Events, Interrupting, acknowledged, run_inline, toy_study

STOP = {**ASHA, "mode": "stop"}
WIDTHS = {"net.width": {"values": [4, 8, 16]}, "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 10.0}}
UNIT = BaselineWork(epochs=27, macs=100)


def sized(trainings: float, **settings: Any) -> Study:
    """A search of four epochs a trial that only `trainings` limits."""
    return toy_study(**{"run_cap": 0, "budget": {"trainings": trainings}, **settings})


def trial(number: int, epochs: int, macs: int = 100, **fields: Any) -> Trial:
    curve = dict.fromkeys(range(1, epochs + 1), 1.0)
    return Trial(number, "search", Status.PRUNED, {"lr": 0.1}, curve=curve, cost={"macs": macs}, **fields)


def budget_of(trainings: float | None, *trials: Trial) -> tuple[SearchBudget, dict[int, dict[int, float]]]:
    return SearchBudget(trainings, UNIT, trials), {each.number: dict(each.curve) for each in trials}


def outcomes(results: Results) -> list[Any]:
    return [(each.number, each.status, dict(each.parameters), dict(each.curve)) for each in results.trials]


def test_trials_cost_their_epochs_whatever_became_of_them_and_those_of_the_cache_nothing() -> None:
    budget, curves = budget_of(20, trial(0, 27), trial(1, 9, macs=300), trial(2, 27, source="other/search/3"))
    assert budget.spent(curves) == 1 + 1


def test_twenty_trainings_hold_twenty_full_runs_in_spite_of_rounding() -> None:
    trials = [trial(number, 27, macs=37) for number in range(20)]
    budget = SearchBudget(20, BaselineWork(epochs=27, macs=37), trials[:19])
    curves = {each.number: dict(each.curve) for each in trials}
    assert budget.admits({number: curves[number] for number in range(19)}, budget.newcomer())
    assert not budget.admits(curves, budget.newcomer())


def test_newcomer_is_expected_to_cost_what_the_trials_so_far_cost_on_average() -> None:
    none, _ = budget_of(20)
    some, _ = budget_of(20, trial(0, 27), trial(1, 1, macs=200))
    assert (none.newcomer(), none.newcomer(9)) == (1, 1 / 3)
    assert (some.newcomer(), some.newcomer(9)) == (1.5, 0.5)


def test_rest_of_a_trial_is_that_of_its_own_epochs() -> None:
    budget, _ = budget_of(20)
    budget.add(Job("search", 4, {"epochs": 54}, {"macs": 50}, {}))
    assert (budget.rest(4, 27), budget.rest(4, 27, 54), budget.rest(4, 27, 36)) == (0.5, 0.5, 9 * 0.5 / 27)


@pytest.mark.parametrize(
    ("missing", "needed"),
    [(0, 0.0), (1, 0.5), (2, 0.5 + 0.9), (3, 0.5 + 0.9 + 0.7), (5, 0.5 + 0.9 + 0.7 + 2 * 1.0)],
)
def test_end_needs_the_dearest_of_the_trials_that_are_nearest_to_it(missing: int, needed: float) -> None:
    standings = [Standing(9, 0.7), Standing(18, 0.5), Standing(9, 0.9)]
    assert to_the_end(standings, missing, 1.0) == pytest.approx(needed)


def test_search_without_run_cap_ends_where_its_trainings_do(tmp_path: Path) -> None:
    events = Events()
    result = run_inline(sized(5), tmp_path, events)
    assert result.complete
    assert result.results.counts()[Status.COMPLETE] == 5
    assert result.results.trainings == 5
    assert events.stages == [("search", None)]
    assert events.trainings[0] == (0, 5)
    assert events.trainings[-1] == (5, 5)


def test_stopped_trials_leave_room_for_more(tmp_path: Path) -> None:
    results = run_inline(sized(6, baseline={"epochs": 8}, early_terminate=STOP), tmp_path).results
    assert results.counted > 6
    assert results.trainings is not None
    assert 5 < results.trainings <= 6


def test_configurations_cost_their_macs_and_the_search_ends_before_one_that_would_go_over(tmp_path: Path) -> None:
    results = run_inline(sized(6, parameters=WIDTHS), tmp_path).results
    works = [each.parameters["net.width"] ** 2 / 8**2 for each in results.trials]
    means = [sum(works[:n]) / n for n in range(1, 1 + len(works))]
    assert results.trainings == pytest.approx(sum(works))
    assert all(sum(works[:n]) + means[n - 1] <= 6 for n in range(1, len(works)))
    assert sum(works) + means[-1] > 6


def test_whichever_of_run_cap_and_trainings_ends_first_ends_the_search(tmp_path: Path) -> None:
    assert run_inline(sized(3, run_cap=9), tmp_path / "trainings").results.counted == 3
    assert run_inline(sized(9, run_cap=3), tmp_path / "run_cap").results.counted == 3


def test_raised_trainings_continue_a_finished_search_and_a_repeated_command_trains_nothing(tmp_path: Path) -> None:
    first = run_inline(sized(3), tmp_path).results
    trained = acknowledged(tmp_path)
    assert run_inline(sized(3), tmp_path).complete
    assert acknowledged(tmp_path) == trained
    more = run_inline(sized(5), tmp_path).results
    assert outcomes(more)[:3] == outcomes(first)
    assert more.counted == 5


def test_finite_space_ends_when_all_of_it_was_tried(tmp_path: Path) -> None:
    result = run_inline(sized(20, parameters={"lr": {"values": [0.1, 0.2, 0.3]}}), tmp_path)
    assert result.complete
    assert result.results.counted == 3


def test_grid_ends_where_its_trainings_do(tmp_path: Path) -> None:
    study = sized(2, method="grid", parameters={"lr": {"values": [0.1, 0.2, 0.3]}})
    assert run_inline(study, tmp_path).results.counted == 2


def test_trials_from_the_result_cache_cost_nothing(tmp_path: Path) -> None:
    run_inline(sized(3), tmp_path, cache=True)
    again = run_inline(sized(3, name="again", seed=0), tmp_path, cache=True).results
    supplied = [each for each in again.trials if each.source]
    assert len(supplied) == 3
    assert again.counted == 3 + 3
    assert again.trainings == 3


def test_one_epoch_keeps_the_trainings_of_its_second_round(tmp_path: Path) -> None:
    rule = {"type": "one_epoch", "epochs": 1, "top": 2}
    results = run_inline(sized(4, early_terminate=rule), tmp_path).results
    assert results.counts()[Status.COMPLETE] == 2
    # Two second rounds of 3/4 leave 2.5 trainings, or ten first epochs.
    assert results.counted == 10
    assert results.trainings == 4


def test_broken_off_at_any_event_it_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    whole = run_inline(sized(3, early_terminate=STOP), tmp_path / "whole").results
    broken_off = 0
    while True:
        try:
            parts = run_inline(sized(3, early_terminate=STOP), tmp_path / "parts", Interrupting(1 + broken_off)).results
            break
        except KeyboardInterrupt:
            broken_off += 1
    assert broken_off > 3
    assert outcomes(parts) == outcomes(whole)
