"""Searches that are kept, shared and gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.search_quality.policies import FORMER, OURS, POLICIES, RANDOM, STOCK
from benchmarks.search_quality.searches import BUDGETS, MOMENTS, Plan, Records, run, run_all, searches
from benchmarks.search_quality.tables import LONGEST, OWN, read_csv
from sweeps.pruners.ladder import ladder

DIGITS = read_csv(OWN / "digits.csv.gz")


@pytest.mark.parametrize("name", [OURS, STOCK, FORMER, RANDOM, "TPE, asha (promote)"])
def test_search_is_the_same_again_and_gets_better(name: str) -> None:
    (search,) = searches([DIGITS], [Plan(name, 2, 1)], [5])
    first, again = run(DIGITS, search), run(DIGITS, search)
    assert first["regret"] == again["regret"]
    assert len(first["regret"]) == MOMENTS.index(5) + 1
    assert 0 <= first["regret"][-1] < 1
    assert first["trials"] > 8


def test_rules_only_shorten_trials() -> None:
    outcomes = {
        name: run(DIGITS, search)
        for name in (RANDOM, "random, all trained fully")
        for search in searches([DIGITS], [Plan(name, 1, 1)], [5])
    }
    assert outcomes["random, all trained fully"]["trials"] < 10 < outcomes[RANDOM]["trials"]


def test_largest_budget_is_searched_with_the_first_seeds_and_tells_of_the_smaller_ones() -> None:
    planned = searches([DIGITS], [Plan(OURS, 8, 3, longest=2)])
    assert [(search.seed, search.trainings) for search in planned] == [(0, 20), (0, 40), (1, 20), (1, 40), (2, 20)]
    planned = searches([DIGITS], [Plan(OURS, 1, 3, longest=2)])
    assert [(search.seed, search.trainings) for search in planned] == [(0, 40), (1, 40), (2, 20)]


def test_policy_that_plans_for_its_budget_is_searched_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POLICIES, RANDOM, replace(POLICIES[RANDOM], anytime=False))  # type: ignore[arg-type]
    planned = searches([DIGITS], [Plan(RANDOM, 1, 1)], [5, 10])
    assert [search.trainings for search in planned] == [5, 10]


@pytest.mark.parametrize("epochs", range(2, LONGEST + 1))
def test_rungs_are_those_of_every_budget(epochs: int) -> None:
    assert len({ladder(epochs, trainings) for trainings in BUDGETS}) == 1, "promotion is no longer anytime"


def test_finished_searches_are_not_run_again(tmp_path: Path) -> None:
    planned = searches([DIGITS], [Plan(RANDOM, 1, 3)], [2])
    file = tmp_path / "searches.jsonl"
    run_all([DIGITS], planned[:2], Records(file))
    before = file.read_text()
    run_all([DIGITS], planned, Records(file))
    assert file.read_text().startswith(before)
    assert len(file.read_text().splitlines()) == 3
    assert set(Records(file).finished()) == set(planned)


def test_line_cut_short_by_a_kill_costs_that_search_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planned = searches([DIGITS], [Plan(RANDOM, 1, 2)], [2])
    file = tmp_path / "searches.jsonl"
    run_all([DIGITS], planned, Records(file))
    file.write_text(file.read_text()[:-20])
    assert list(Records(file).finished()) == planned[:1]
    run_all([DIGITS], planned, Records(file))
    assert set(Records(file).finished()) == set(planned)
    assert "left out a line that is no search" in capsys.readouterr().err


def test_parts_share_the_searches_and_the_first_to_end_helps(tmp_path: Path) -> None:
    planned = searches([DIGITS], [Plan(RANDOM, 1, 4)], [2])
    file = tmp_path / "searches.jsonl"
    run_all([DIGITS], planned, Records(file), part=(2, 2))
    seeds = [json.loads(line)["search"]["seed"] for line in file.read_text().splitlines()]
    assert seeds == [1, 3, 2, 0]


def test_failed_search_is_named_and_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(task: object) -> None:
        raise RuntimeError("no such rival")

    monkeypatch.setitem(POLICIES, FORMER, type(POLICIES[RANDOM])(broken))  # type: ignore[arg-type]
    planned = searches([DIGITS], [Plan(FORMER, 1, 1), Plan(RANDOM, 1, 1)], [2])
    records = Records(tmp_path / "searches.jsonl")
    assert run_all([DIGITS], planned, records) == 1
    assert set(records.finished()) == {planned[1]}
    assert "RuntimeError: no such rival" in capsys.readouterr().err
