"""The rules of a search that are settled at the first start follow from its size, and stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeps.prepare.prepared import settle
from sweeps.prepare.search_size import search_size
from sweeps.runners.probe import Probe
from sweeps.study.search.settled import SEARCH_RULES
from sweeps.study.study import Study
from sweeps.workload import load
from tests.sweeps.support import toy_study


def rules_of(study: Study, folder: Path, previous: dict[str, Any]) -> dict[str, Any]:
    return dict(settle(study, load(study.workload), folder, previous, workers=1).environment[SEARCH_RULES])


def sized(trainings: float) -> Study:
    changes = {"early_terminate": {"type": "asha"}, "budget": {"trainings": trainings}, "run_cap": 0}
    return toy_study(baseline={"epochs": 64}, **changes)


def test_trials_stop_where_many_workers_share_few_trainings(tmp_path: Path) -> None:
    study = toy_study(
        baseline={"epochs": 64},
        early_terminate={"type": "asha"},
        budget={"trainings": 8},
        run_cap=0,
        resources={"cpu": 0.25},  # four trials on each core
    )
    settled = {workers: settle(study, load(study.workload), tmp_path, {}, workers=workers) for workers in (1, 2, 4)}
    modes = {workers: prepared.environment[SEARCH_RULES]["mode"] for workers, prepared in settled.items()}
    assert modes == {1: "promote", 2: "promote", 4: "stop"}
    assert settled[4].study.early_terminate is not None
    assert settled[4].study.early_terminate.eta == 3


def test_a_large_search_has_its_first_rung_later(tmp_path: Path) -> None:
    small, large = (rules_of(sized(trainings), tmp_path, {}) for trainings in (4, 400))
    assert small == {"bayes": "bayes", "mode": "promote", "min_iter": 1, "eta": 2}
    assert large["min_iter"] > 1


def test_a_grown_search_keeps_the_rungs_of_its_first_start(tmp_path: Path) -> None:
    first = settle(sized(4), load("tests.toy"), tmp_path, {}, workers=1)
    grown = settle(sized(400), load("tests.toy"), tmp_path, first.environment)
    assert grown.study.early_terminate == first.study.early_terminate
    assert first.study.early_terminate is not None
    assert first.study.early_terminate.min_iter == 1


def in_hours(hours: float, **settings: Any) -> Study:
    given = {"early_terminate": {"type": "asha"}, "budget": {"gpu_hours": hours}, "run_cap": 5_000, **settings}
    return toy_study(baseline={"epochs": 64}, **given)


def test_hours_make_trainings_at_the_pace_of_the_baseline(tmp_path: Path) -> None:
    study = in_hours(10.0)
    workload = load(study.workload)
    prepared = settle(study, workload, tmp_path, {}, workers=1)
    assert prepared.probed is not None
    assert prepared.probed.epoch_s is not None
    assert prepared.environment[SEARCH_RULES]["min_iter"] == 16, "hours hold many trainings of a workload this fast"
    assert any("an epoch of the baseline takes" in note and "after 16 epochs" in note for note in prepared.notes)
    again = settle(study, workload, tmp_path, prepared.environment, workers=1)
    assert again.probed is None
    assert again.environment[SEARCH_RULES] == prepared.environment[SEARCH_RULES]
    assert again.environment["settled_notes"] == prepared.environment["settled_notes"]


@pytest.mark.parametrize(
    ("epoch_s", "at_once", "expected"),
    [(0.01, 1, (16, 2)), (100.0, 1, (1, 2)), (100.0, 2, None), (None, 2, (16, 2))],
)
def test_slow_baselines_have_early_rungs_or_none(
    tmp_path: Path, epoch_s: float | None, at_once: int, expected: tuple[int, int] | None
) -> None:
    study = in_hours(10.0)  # with epochs of 100 s, 5.6 trainings
    prepared = settle(study, load(study.workload), tmp_path, {}, workers=1, measuring=False)
    found = search_size(study, prepared.gate, at_once, prepared.site, Probe(epoch_s=epoch_s))
    assert found.promotion == expected
    assert bool(found.note) == (epoch_s is not None)


@pytest.mark.parametrize(
    "settings",
    [
        {"early_terminate": {"type": "asha", "mode": "promote", "min_iter": 2}},
        {"early_terminate": {"type": "asha", "mode": "stop"}},
        {"early_terminate": {"type": "median"}},
        {"early_terminate": None},
        {"budget": {"trainings": 4}},
    ],
)
def test_nothing_is_measured_where_it_decides_nothing(tmp_path: Path, settings: dict[str, Any]) -> None:
    study = in_hours(1.0, **settings)
    assert settle(study, load(study.workload), tmp_path, {}, workers=1).probed is None
