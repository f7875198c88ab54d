"""The lines of text about a study's results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sweeps.cli.lines import stage_lines
from sweeps.trial.trial import Status
from tests.sweeps.support import run_inline, toy_study


def test_replicate_that_no_record_has_ended_is_unfinished_not_running(tmp_path: Path) -> None:
    results = run_inline(toy_study(run_cap=1, confirm={"top": 1, "seeds": 2}), tmp_path).results
    confirm = results.stages["confirm"]
    first, second = confirm.trials
    killed = replace(confirm, trials=[first, replace(second, status=Status.RUNNING)])
    assert stage_lines(replace(results, stages={"confirm": killed})) == ["confirm: 1 arm, 1 unfinished, 1 complete"]
