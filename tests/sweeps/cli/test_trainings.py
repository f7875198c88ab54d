"""A search whose size is a number of trainings, on the command line: its end is a normal one, and told."""

from __future__ import annotations

import json
from pathlib import Path

from tests.sweeps.support import sweep, toy_text


def test_search_that_ends_at_its_trainings_is_complete_and_says_so(tmp_path: Path) -> None:
    rule = {"type": "asha", "mode": "promote", "min_iter": 1, "eta": 2}
    size = {"run_cap": 0, "budget": {"trainings": 2}}
    (tmp_path / "toy.yaml").write_text(toy_text(early_terminate=rule, **size))
    ended = sweep("run", "toy.yaml", "--runner", "inline", "--data-dir", "data", "--quiet", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "The search has used 2 of 2 trainings: " in ended.stdout
    status = sweep("status", "toy", cwd=tmp_path).stdout
    assert " trials, 2 of 2 trainings, not running" in status
    report = (tmp_path / "reports" / "toy" / "index.html").read_text(encoding="utf-8")
    assert "2 of 2 trainings" in report
    summary = json.loads(sweep("status", "toy", "--json", cwd=tmp_path).stdout)
    assert summary["trainings"] == {"spent": 2.0, "budget": 2.0}
    refused = sweep("validate", "toy.yaml", "--set", "budget.trainings=0.5", cwd=tmp_path)
    assert refused.returncode == 2
    assert "budget.trainings: must be at least 1 but got 0.5" in refused.stderr
