"""What `sweep ls` says of each study: its state, stage, best trial, age and runs."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sweeps.cli.app import app
from sweeps.cli.lines import age, stage_reached, state
from sweeps.storage.runs import open_snapshot
from tests.sweeps.support import Interrupting, holding, run_inline, toy_study

TUNED = {"components": ["relu"], "seeds": 2, "retune": {"parameters": ["lr"], "trials": 2}}
RAISING = {"fault": "raise", "fault_epoch": 1}


def ls(runs: Path, *words: str) -> str:
    done = CliRunner().invoke(app, ["ls", "--runs-dir", str(runs), *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_complete_study_names_its_stage_its_best_with_the_metric_and_the_tuned_arms(tmp_path: Path) -> None:
    run_inline(toy_study(run_cap=2, ablation=TUNED), tmp_path)
    results = open_snapshot(tmp_path, "toy")
    best = results.ranked()[0].value
    (row,) = [line for line in ls(tmp_path).splitlines() if "toy" in line]
    assert row.split()[:4] == ["toy", "complete", "ablation", "2/2"]
    assert f"validation accuracy {best:.2f} %" in row
    assert "2 complete; retune: 2 arms, 4 complete; ablation: 4 arms, 8 complete" in row
    (listed,) = json.loads(ls(tmp_path, "--json"))
    assert (listed["state"], listed["stage"]) == ("complete", "ablation")
    assert listed["started"] == results.environment["started"]


@pytest.mark.parametrize(
    ("settings", "expected"), [({"baseline": RAISING}, ("aborted", "search")), ({}, ("interrupted", "search"))]
)
def test_study_that_ended_early_says_how_and_where(
    tmp_path: Path, settings: dict[str, Any], expected: tuple[str, str]
) -> None:
    with suppress(KeyboardInterrupt):
        run_inline(toy_study(**settings), tmp_path, Interrupting(7))
    results = open_snapshot(tmp_path, "toy")
    assert (state(results), stage_reached(results)) == expected


def test_study_with_a_driver_is_running(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt):
        run_inline(toy_study(), tmp_path, Interrupting(7))
    with holding(tmp_path / "toy"):
        assert state(open_snapshot(tmp_path, "toy")) == "running"


@pytest.mark.parametrize(
    ("passed", "expected"), [(5, "5 s"), (90, "2 min"), (5400, "2 h"), (200_000, "2 d"), (-3, "0 s")]
)
def test_age_has_one_unit(tmp_path: Path, passed: int, expected: str) -> None:
    run_inline(toy_study(run_cap=1, baseline={"epochs": 1}), tmp_path)
    results = open_snapshot(tmp_path, "toy")
    began = datetime(2026, 1, 1, tzinfo=UTC)
    dated = replace(results, environment={"started": began.isoformat()})
    assert age(dated, began + timedelta(seconds=passed)) == expected
    assert age(replace(results, environment={}), began) == ""
