"""Commands that check and write study files, in this process."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sweeps.cli.app import app
from sweeps.cli.commands.run import _options
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.study.document import read
from sweeps.validation.checks import accept
from tests.sweeps.support import toy_text


def invoke(*words: str | Path) -> Result:
    """Run a command of `sweep` in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def validated(folder: Path, **settings: Any) -> Result:
    """Run `sweep validate` on a toy study."""
    (folder / "toy.yaml").write_text(toy_text(**settings))
    return invoke("validate", folder / "toy.yaml")


@pytest.mark.parametrize(
    ("settings", "announced"),
    [
        ({"method": "grid", "run_cap": 10, "parameters": {"lr": {"values": [0.1, 0.2]}}}, "2 configurations, 2 trials"),
        ({"method": "random", "run_cap": 9, "parameters": {"lr": {"values": [1, 2, 3]}}}, "3 configurations, 3 trials"),
        ({"method": "random", "run_cap": 1, "parameters": {"lr": {"values": [1, 2]}}}, "2 configurations, 1 trial"),
        ({"run_cap": 10}, "random over infinitely many configurations, 10 trials"),
    ],
)
def test_no_more_trials_are_announced_than_there_are_configurations(
    tmp_path: Path, settings: dict[str, Any], announced: str
) -> None:
    assert validated(tmp_path, **settings).stdout.strip().endswith(announced)


def test_recorded_command_keeps_its_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["run", "s.yaml", "--search", "optimizer.lr=[0.1, 0.2]", "--budget", "macs <= 2M"]
    monkeypatch.setattr(sys, "argv", ["sweep", *words])
    options = _options(Path("runs"), Path("reports"), None, "inline", None, None, True)
    assert shlex.split(options["command"]) == ["sweep", *words]


OPTIONS = [
    ("cifar_sweep", ["--search", "optimizer.lr=log:1e-3..1e-1"]),
    ("cifar_sweep", ["--data", "digits", "--toggle", "relu"]),
    ("cifar_sweep", ["--search", "model.widths=[[8, 8, 8, 8], [16, 16, 16, 16]]", "--budget", "1M", "--trials", "1"]),
    ("cifar_sweep", ["--toggle", "batch_norm", "--budget", "macs<=9M"]),
    ("cifar_sweep", ["--toggle", "relu", "--budget", "trainable_parameters < 50k"]),
    ("tests.toy", ["--search", "lr=log:1e-3..1e-1"]),
    ("tests.toy", ["--search", "net.width=2..64", "--budget", "100"]),
    ("examples.digits_sklearn", ["--search", "penalty=[l1, l2]"]),
    ("tests.sweeps.fractions", ["--search", "lr=0.1..0.2"]),
]


@pytest.mark.parametrize(("workload", "words"), OPTIONS)
def test_new_study_validates_and_its_baseline_fits(tmp_path: Path, workload: str, words: list[str]) -> None:
    file = tmp_path / "mine.yaml"
    made = invoke("new", "mine", "--workload", workload, *words, "--out", file)
    assert made.exit_code == 0, made.exception
    study, loaded = accept(read(file))
    baseline = ConstraintGate(study, loaded).baseline()
    assert baseline.accepted, baseline.reason
    assert set(study.baseline.get("data", {"name": ""})) <= {"name"}
    assert ("data" in study.baseline) == (workload == "cifar_sweep")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["--workload", "tests.toy", "--data", "digits"],
            "--data digits: the recipe of tests.toy has no setting data.name",
        ),
        (
            ["--workload", "tests.toy", "--budget", "1"],
            "--budget 1: the baseline has 128 parameters; does not fit even",
        ),
    ],
)
def test_new_study_that_cannot_be_is_refused_with_the_option(tmp_path: Path, words: list[str], expected: str) -> None:
    refused = invoke("new", "mine", *words, "--search", "lr=0.1..0.2", "--out", tmp_path / "mine.yaml")
    assert expected in str(refused.exception)
    assert not list(tmp_path.iterdir())
