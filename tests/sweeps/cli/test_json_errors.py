"""With --json an error is JSON too: one object on stdout, beside the words on stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sweeps.support import sweep, toy_text


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["status", "nothing"], "no study 'nothing' in runs; there are: none yet"),
        (["run", "toy.yaml", "--runner", "slurm"], "'slurm' is not a runner"),
        (["show", "toy", "first"], "Invalid value for 'TRIAL'"),
        (["lss"], "No such command 'lss'"),
        (["ls", "--al"], "No such option"),
    ],
)
def test_error_is_one_object_with_its_message_and_the_exit_code(tmp_path: Path, words: list[str], error: str) -> None:
    (tmp_path / "toy.yaml").write_text(toy_text())
    done = sweep(*words, "--json", cwd=tmp_path)
    content = json.loads(done.stdout)
    assert sorted(content) == ["error", "exit_code"]
    assert error in content["error"]
    assert content["exit_code"] == done.returncode == 2
    assert error in done.stderr


@pytest.mark.parametrize(
    ("fault", "code", "error"),
    [("raise", 1, "3 trials in a row failed, "), ("signal", 75, "stopped by SIGTERM: 0 of 6 trials; go on with:")],
)
def test_study_that_ends_early_says_why(tmp_path: Path, fault: str, code: int, error: str) -> None:
    baseline: dict[str, Any] = {"epochs": 2, "fault": fault, "fault_epoch": 1}
    (tmp_path / "toy.yaml").write_text(toy_text(baseline=baseline))
    done = sweep("run", "toy.yaml", "--runner", "inline", "--data-dir", "data", "--quiet", "--json", cwd=tmp_path)
    content = json.loads(done.stdout)
    assert content["error"].startswith(error)
    assert content["exit_code"] == done.returncode == code
    assert content.get("complete", False) is False


def test_without_the_option_stdout_stays_empty(tmp_path: Path) -> None:
    done = sweep("status", "nothing", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("", 2)
