"""How much a run says: nothing but the answer, events, or every epoch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sweeps.cli.app import app
from sweeps.engine.progress import Progress
from tests.sweeps.support import toy_study, toy_text

LINES = ["trial 3 starts: lr=0.1", "trial 3 epoch 1 of 4: validation accuracy 50.00 %"]


def shown(capfd: pytest.CaptureFixture[str], *, verbose: bool) -> list[str]:
    """The lines that a start and an epoch leave on stderr, without colours and movements."""
    with Progress(toy_study(), None, 4, percentages=["accuracy"], verbose=verbose) as progress:
        progress.on_start("search", 3, "lr=0.1", 0)
        progress.on_epoch("search", 3, 1, {"val_accuracy": 50.0})
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", capfd.readouterr().err).splitlines()


def test_verbose_has_a_line_for_each_epoch_off_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    assert shown(capfd, verbose=True) == LINES
    assert shown(capfd, verbose=False) == LINES[:1]


def test_verbose_prints_the_lines_above_the_view_of_a_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    printed = "\n".join(shown(capfd, verbose=True))
    assert 0 <= printed.find(LINES[0]) < printed.find(LINES[1])
    viewed = "\n".join(shown(capfd, verbose=False))
    assert not [line for line in LINES if line in viewed]


def run(folder: Path, *options: str) -> Result:
    baseline = {"baseline": "given", "components": ["relu"], "seeds": 2}
    file = folder / "toy.yaml"
    file.write_text(toy_text(baseline={"epochs": 1}, parameters={}, run_cap=0, ablation=baseline))
    places = [f"--{place}-dir={folder / place}" for place in ("runs", "reports", "data")]
    return CliRunner().invoke(app, ["run", str(file), "--runner", "inline", *places, *options])


@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_quiet_prints_the_answer_only(tmp_path: Path, option: str) -> None:
    done = run(tmp_path, option)
    assert done.exit_code == 0
    assert "Removing relu" in done.stdout
    assert done.stderr == ""


def test_quiet_and_verbose_exclude_each_other(tmp_path: Path) -> None:
    done = run(tmp_path, "-q", "-v")
    assert done.exit_code == 2
    assert "give one of --quiet and --verbose, not both" in done.stderr
