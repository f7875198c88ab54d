"""Hostile texts of a workload reach terminal, tables and pages only as text."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sweeps.cli.app import app
from sweeps.cli.exit import FAILED
from sweeps.io.errors import HIDDEN
from tests.security.stranger import TEXTS

STUDY = {
    "name": "stranger",
    "question": "Is [bold]this[/bold] text?",
    "workload": "tests.security.stranger",
    "method": "grid",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "parameters": {"x": {"values": [0.25, 0.75]}, "fault": {"values": [False, True]}},
}
COMMANDS = {
    "run": ["run", "study.yaml", "--runner", "inline"],
    "status": ["status", "stranger"],
    "ls": ["ls"],
    "show": ["show", "stranger", "0"],
    "show a failed one": ["show", "stranger", "1"],
    "report": ["report", "stranger"],
    "compare": ["compare", "stranger", "other"],
    "predict": ["predict", "stranger:0", "study.yaml", "--out", "out.csv", "--names"],
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The output of each command; all run in one folder, in sequence."""
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "study.yaml").write_text(json.dumps(STUDY))
    (folder / "other.yaml").write_text(json.dumps({**STUDY, "name": "other"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        CliRunner().invoke(app, ["run", "other.yaml", "--runner", "inline", "--no-cache"])
        done = {name: CliRunner().invoke(app, words) for name, words in COMMANDS.items()}
    assert {name: result.exit_code for name, result in done.items() if result.exit_code} == {"run": FAILED}, done
    return {name: result.output for name, result in done.items()} | {"folder": str(folder)}


@pytest.mark.parametrize("command", COMMANDS)
def test_output_has_no_control_sequences(outputs: dict[str, str], command: str) -> None:
    assert outputs[command]
    assert not HIDDEN.search(outputs[command])


@pytest.mark.parametrize(
    ("command", "shown"), [("run", "[red]a[/red]"), ("show a failed one", "[red]a[/red]"), ("ls", "[bold]this[/bold]")]
)
def test_markup_is_shown_as_text(outputs: dict[str, str], command: str, shown: str) -> None:
    assert shown in outputs[command].replace("\n", "")


def test_no_table_cell_is_a_formula(outputs: dict[str, str]) -> None:
    tables = sorted(Path(outputs["folder"]).rglob("*.csv"))
    assert {"out.csv", "confusion-validation.csv", "trials.csv", "confusion.csv"} <= {file.name for file in tables}
    for file in tables:
        with file.open(encoding="utf-8", newline="") as lines:
            cells = [cell for row in csv.reader(lines) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "@", "\t", "\r"))], file


def test_hostile_html_is_escaped_in_the_report(outputs: dict[str, str]) -> None:
    page = (Path(outputs["folder"]) / "reports" / "stranger" / "index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 1
    assert len(TEXTS) == 5
