"""The rules of a search that are settled at the first start follow from its size, and stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sweeps.prepare.prepared import settle
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
