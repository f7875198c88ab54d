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
from sweeps.validation.warnings import warnings as study_warnings
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
    options = _options(Path("runs"), Path("reports"), None, "inline", None, None, True, False)
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


def test_new_study_plans(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    made = invoke("new", "mine", "--workload", "tests.toy", "--budget", "90", "--trials", "4", "--out", file)
    assert made.exit_code == 0, made.exception
    lines = made.stdout.splitlines()
    assert lines[1].startswith("The baseline: widths scaled by 0.")
    assert lines[2] == f"Next: sweep plan {file}, then sweep run {file}"
    assert invoke("validate", file).exit_code == 0
    planned = invoke("plan", file, "--no-probe", "--data-dir", tmp_path / "data")
    assert planned.exit_code == 0, planned.exception
    assert "search" in planned.stdout


@pytest.mark.parametrize("workload", ["cifar_sweep", "tests.toy"])
def test_new_study_without_options_has_every_section(tmp_path: Path, workload: str) -> None:
    assert invoke("new", "mine", "--workload", workload, "--out", tmp_path / "mine.yaml").exit_code == 0
    study, _ = accept(read(tmp_path / "mine.yaml"))
    assert study.baseline["epochs"] == (30 if workload == "cifar_sweep" else 4)
    assert study.baseline.get("model", {}).get("name") == ("resnet" if workload == "cifar_sweep" else None)
    assert [key for key in ("optimizer.lr", "lr") if key in study.parameters]
    for section in ("early_terminate", "confirm", "ablation", "final"):
        assert getattr(study, section) is not None, section
    assert not study_warnings(study)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "no name for the study: write sweep new NAME"),
        (["mine", "--trials", "4", "--trainings", "9"], "--trials and --trainings are both the size of the search"),
        (["mine", "--workload", "tests.toy", "--model", "resnet"], "--model resnet: the recipe of tests.toy has no"),
        (["mine", "--search", "lr=0.1..0.2", "--search", "momentum=9..1"], "--search lr: parameters.lr: unknown"),
        (["mine", "--model", "resnt"], "--model resnt: baseline.model.name: "),
    ],
)
def test_new_study_blames_only_what_was_given(tmp_path: Path, words: list[str], expected: str) -> None:
    refused = invoke("new", *words, "--out", tmp_path / "mine.yaml")
    assert expected in str(refused.exception)
    assert not [option for option in ("--trials 60", "--data", "--budget") if option in str(refused.exception)]
    assert not list(tmp_path.iterdir())
