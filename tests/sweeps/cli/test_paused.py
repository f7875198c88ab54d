"""Paused is a word of its own: trials that wait for a promotion are not among the running ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from sweeps.api.results import load
from sweeps.cli.app import app
from sweeps.report.answer import answer, tiles
from sweeps.report.data import ReportData
from sweeps.report.tables.cost import cost_table
from sweeps.storage.runs import open_results, open_snapshot
from tests.sweeps.support import PROMOTING, toy_text
from tests.sweeps.support import sweep as in_a_process


def sweep(folder: Path, *words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--runs-dir", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def in_json(folder: Path, *words: str) -> Any:
    return json.loads(sweep(folder, *words, "--json"))


def test_status_counts_paused_trials_beside_unfinished_ones(folder: Path) -> None:
    lines = sweep(folder, "status", "toy").splitlines()
    assert lines[0].startswith("toy: 3/6 trials, ")
    assert lines[1] == "1 unfinished, 3 paused"
    counts = in_json(folder, "status", "toy")["counts"]
    assert (counts["running"], counts["paused"]) == (1, 3)
    assert sum(counts.values()) == 4


def test_ls_names_paused_trials(folder: Path) -> None:
    assert "1 unfinished, 3 paused" in sweep(folder, "ls")


def test_show_says_that_a_trial_is_paused(folder: Path) -> None:
    assert "paused" in sweep(folder, "show", "toy", "0")
    assert in_json(folder, "show", "toy", "0")["state"] == "paused"
    assert in_json(folder, "show", "toy", "3")["state"] == "running"


def test_a_quick_reading_has_the_states_of_a_full_one(folder: Path) -> None:
    quick, full = open_snapshot(folder, "toy"), open_results(folder, "toy")
    assert quick.states() == full.states()
    assert [dict(trial.curve) for trial in quick.trials] == [dict(trial.curve) for trial in full.trials]


def test_an_interrupted_study_says_that_paused_trials_go_on(folder: Path) -> None:
    assert "Run the same command again to go on with 3 paused trials." in sweep(folder, "status", "toy").splitlines()


def test_a_signal_leaves_a_word_about_paused_trials(tmp_path: Path) -> None:
    signalled = {"epochs": 4, "fault": "signal", "fault_epoch": 2}  # two trials have paused by then, and one goes on
    (tmp_path / "toy.yaml").write_text(toy_text(baseline=signalled, early_terminate=PROMOTING))
    done = in_a_process("run", "toy.yaml", "--runner", "inline", "--data-dir", "data", cwd=tmp_path)
    assert done.returncode == 75, done.stderr
    assert "stopped by SIGTERM: 2 of 6 trials (2 of them paused); go on with:\n  sweep run " in done.stderr
    assert "to go on with 2 paused trials." in sweep(tmp_path / "runs", "status", "toy")


def test_the_api_and_the_report_count_paused_trials_by_themselves(folder: Path) -> None:
    results = load("toy", folder)
    assert results.counts() == {"running": 1, "paused": 3}
    assert list(results.trials["status"]) == ["paused"] * 3 + ["running"]
    assert answer(results.findings) == ["No answer yet: none of 4 trials has finished (1 running and 3 paused)."]
    data = ReportData(results.findings)
    ended, _ = tiles(data.results, data.cost)
    assert {tile.label: tile.value for tile in ended if tile.value != "0"} == {"running": "1", "paused": "3"}
    assert list(cost_table(data.cost)[["status", "trials"]].itertuples(index=False, name=None)) == [
        ("running", 1),
        ("paused", 3),
        ("all", 4),
    ]
    assert set(data.groups.values()) == {"paused", "running"}
