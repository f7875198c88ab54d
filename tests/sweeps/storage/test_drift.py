"""Tests of sweeps.storage.drift."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sweeps.cli.app import app
from sweeps.storage.drift import Drift, Drifted, last_command, require_accepted
from tests.sweeps.support import toy_text


def test_drift_of_the_device_names_the_setting_that_undoes_it() -> None:
    with pytest.raises(Drifted, match=r"undo the change \(device: cpu in the study file trains on that device again\)"):
        require_accepted([Drift("device", "kind", "cpu", "cuda")], "toy", accepted=False)
    with pytest.raises(Drifted, match="undo the change, give the study another name"):
        require_accepted([Drift("library", "torch", "2.8", "2.9")], "toy", accepted=False)


def test_changed_study_file_is_refused_with_the_command_that_goes_on() -> None:
    commands = ["sweep run a.yaml --set epochs=1 --fresh", "sweep resume toy", "sweeps.run(study)"]
    command = last_command({"commands": [{"command": each} for each in commands]})
    changed = Drift("study file", "baseline.epochs", 1, None)
    with pytest.raises(Drifted) as refused:
        require_accepted([changed], "toy", accepted=False, command=command)
    assert "as it was last run: `sweep run a.yaml --set epochs=1` or `sweep resume toy`; otherwise\n" in str(
        refused.value
    )
    with pytest.raises(Drifted, match="as it was last run: `sweep resume toy`; otherwise"):
        require_accepted([changed], "toy", accepted=False, command=last_command({}))
    with pytest.raises(Drifted) as moved:
        require_accepted([Drift("library", "torch", "2.8", "2.9")], "toy", accepted=False, command=command)
    assert "as it was last run" not in str(moved.value)


def test_forgotten_set_is_answered_with_the_whole_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("toy.yaml").write_text(toy_text(run_cap=1))
    words = ["run", "toy.yaml", "--runner", "inline", "--data-dir", "data", "--quiet"]
    changed = [*words, "--set", "epochs=1"]
    monkeypatch.setattr(sys, "argv", ["sweep", *changed])
    assert CliRunner().invoke(app, changed).exit_code == 0
    refused = CliRunner().invoke(app, words)
    assert "study file baseline.epochs: 1 -> 4" in str(refused.exception)
    assert f"as it was last run: `sweep {' '.join(changed)}` or `sweep resume toy`; otherwise" in str(refused.exception)
