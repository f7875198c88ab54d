"""Commands that check and write study files, in this process."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sweeps.cli import app
from sweeps.cli.run import _options
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
