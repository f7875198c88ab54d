"""A search whose trials pause and whose size is a number of full trainings: what it spends, and what it keeps back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sweeps.storage.results import Results
from sweeps.study.study import Study
from sweeps.trial.trial import Status, Trial
from tests.sweeps.support import Interrupting, run_inline, toy_study

RULE: dict[str, Any] = {"type": "asha", "mode": "promote", "eta": 2}


def sized(trainings: float, **settings: Any) -> Study:
    """Trials of eight epochs with rungs at 1, 2 and 4, as many as the trainings pay for."""
    limits = {"run_cap": 0, "budget": {"trainings": trainings}}
    return toy_study(**{"early_terminate": RULE, "baseline": {"epochs": 8}, **limits, **settings})


def outcomes(results: Results) -> list[Any]:
    return [
        (trial.number, trial.status, trial.value, dict(trial.curve), trial.parameters, _timeless(trial))
        for trial in results.trials
    ]


def _timeless(trial: Trial) -> list[dict[str, Any]]:
    return [{key: value for key, value in each.items() if key != "load_s"} for each in trial.decisions]


def trained(results: Results) -> int:
    return sum(trial.epochs for trial in results.trials)


def test_trainings_buy_more_configurations_than_full_runs_and_are_used_up(tmp_path: Path) -> None:
    result = run_inline(sized(6), tmp_path)
    assert result.complete
    assert not result.cut
    assert result.results.counted > 8
    assert result.results.trainings == trained(result.results) / 8
    assert 6 * 8 - 1 <= trained(result.results) <= 6 * 8


def test_as_many_train_to_the_end_as_confirm_wants(tmp_path: Path) -> None:
    study = sized(6, confirm={"top": 3, "seeds": 2})
    results = run_inline(study, tmp_path, stage="search").results
    assert results.counts()[Status.COMPLETE] >= 3
    assert trained(results) <= 6 * 8


def test_least_budget_trains_one_configuration_to_its_end(tmp_path: Path) -> None:
    results = run_inline(sized(1), tmp_path).results
    assert [(trial.status, trial.epochs) for trial in results.trials] == [(Status.COMPLETE, 8)]


def test_hyperband_keeps_to_its_trainings_too(tmp_path: Path) -> None:
    results = run_inline(sized(4, early_terminate={**RULE, "type": "hyperband"}), tmp_path).results
    assert results.counts()[Status.COMPLETE] >= 1
    assert 3 * 8 < trained(results) <= 4 * 8


def test_broken_off_at_any_event_it_decides_as_an_unbroken_one(tmp_path: Path) -> None:
    study = sized(1.5, baseline={"epochs": 4})
    whole = run_inline(study, tmp_path / "whole").results
    broken_off = 0
    while True:
        try:
            parts = run_inline(study, tmp_path / "parts", _Growing(broken_off)).results
            break
        except KeyboardInterrupt:
            broken_off += 1
    assert broken_off > 2
    assert outcomes(parts) == outcomes(whole)


class _Growing(Interrupting):
    """Breaks off after ever more events, since a start tells anew of who waits."""

    def __init__(self, before: int) -> None:
        super().__init__(1 + before)


def test_raised_trainings_continue_a_finished_search(tmp_path: Path) -> None:
    first = run_inline(sized(2), tmp_path).results
    more = run_inline(sized(4), tmp_path).results
    assert outcomes(more)[: len(first.trials)] == outcomes(first)
    assert more.counted > first.counted
    assert 4 * 8 - 1 <= trained(more) <= 4 * 8


def test_run_cap_ends_it_where_it_comes_first(tmp_path: Path) -> None:
    results = run_inline(sized(20, run_cap=4), tmp_path).results
    assert results.counted == 4
    assert results.counts()[Status.COMPLETE] >= 1
