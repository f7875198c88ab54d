"""The lines of text about a study's results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.cli.lines import stage_lines
from sweeps.cli.tables import trial_table
from sweeps.formatting import MetricFormat
from sweeps.trial.trial import Status, Trial
from tests.sweeps.support import run_inline, toy_study


def test_replicate_that_no_record_has_ended_is_unfinished_not_running(tmp_path: Path) -> None:
    results = run_inline(toy_study(run_cap=1, confirm={"top": 1, "seeds": 2}), tmp_path).results
    confirm = results.stages["confirm"]
    first, second = confirm.trials
    killed = replace(confirm, trials=[first, replace(second, status=Status.RUNNING)])
    assert stage_lines(replace(results, stages={"confirm": killed})) == ["confirm: 1 arm, 1 unfinished, 1 complete"]


@pytest.mark.parametrize(("stage", "label"), [("final", "test accuracy"), ("ablation", "validation accuracy")])
def test_trial_that_is_shown_has_its_arm_and_the_part_of_the_data(stage: str, label: str) -> None:
    run = Trial(1, stage, Status.COMPLETE, {}, value=97.64, variant="relu", replicate=1)
    shown = trial_table(run, MetricFormat("validation accuracy", "%", "maximize"), {})
    cells = [[str(cell) for cell in column.cells] for column in shown.columns]
    rows = dict(zip(*cells, strict=True))
    assert (rows["arm"], rows[label]) == ("relu, seed 2", "97.64 %")
