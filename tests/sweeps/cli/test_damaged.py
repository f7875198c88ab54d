"""Every command on a study whose files are missing or damaged: it works, or one error says what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sweeps.cli.app import app
from sweeps.io.errors import UserError
from tests.sweeps.support import run_inline, toy_study

FILES = [
    *("study.yaml", "study.db", "environment.json", "lock", "stages/ablation.json"),
    *("trials/0000/record.json", "trials/0000/curves.csv", "trials/0000/recipe.yaml"),
    "trials/0000/checkpoint/0001/manifest.json",
]
COMMANDS = ["status toy", "ls", "show toy 0", "export toy:0 --out out"]
RESUME, REPAIR = "resume toy --runner inline --quiet", "repair toy"


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def noise(file: Path) -> None:
    file.write_bytes(bytes(range(256)) * 16)


DAMAGES: list[Callable[[Path], object]] = [
    Path.unlink,
    folder,
    noise,
    lambda file: file.write_text("[1, 2]\n"),
]
IDS = ["missing", "folder", "noise", "list"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with a study of one trial and an ablation."""
    runs = tmp_path_factory.mktemp("whole")
    ablation = {"components": {"handicap": {"handicap": 5.0}}, "seeds": 2}
    run_inline(toy_study(run_cap=1, baseline={"epochs": 1}, ablation=ablation), runs)
    return runs


def errors(folder: Path, commands: list[str]) -> dict[str, BaseException]:
    """Invoke commands in this process. Returns what they raise that is not an error for the user."""
    raised = {}
    for command in commands:
        words = [*command.split(), "--runs-dir", str(folder)]
        words += ["--data-dir", str(folder / "data")] if command.split()[0] in ("export", "resume") else []
        words += ["--reports-dir", str(folder / "reports")] if command.startswith("resume") else []
        error = CliRunner().invoke(app, words).exception
        if error is not None and not isinstance(error, UserError | SystemExit):
            raised[command] = error
    return raised


@pytest.mark.parametrize("damage", DAMAGES, ids=IDS)
@pytest.mark.parametrize("name", FILES)
def test_damaged_study_is_no_traceback(
    whole: Path, tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "runs"))
    file = copy / "toy" / name
    if not file.exists():
        file.touch()  # the lock, which the study at rest may not have
    damage(file)
    assert not errors(copy, [*COMMANDS, *([RESUME] if damage is noise else [])])  # a report takes its time
    assert not errors(copy, [REPAIR, COMMANDS[0]])
