"""What Tab completes, through the script that a shell would call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sweeps.cli.app import app
from sweeps.storage.runs import study_folder
from tests.sweeps.support import clean, toy_text

HEAVY = {"optuna", "ray", "torch", "plotly", "pandas", "scipy", "numpy"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two studies, of which one has trials, and a study file."""
    made = tmp_path_factory.mktemp("completion")
    for name in ("digits", "other"):
        study_folder(made / "runs", name).mkdir(parents=True)
        (made / "runs" / name / "study.yaml").write_text(toy_text(name=name))
    for trial in ("trials/0000", "trials/0012", "ablation/0003", "thumbnails/0001"):
        (made / "runs" / "digits" / trial).mkdir(parents=True)
    (made / "studies").mkdir()
    (made / "studies" / "first.yaml").write_text(toy_text())
    return made


def completed(line: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what bash is offered at the end of a line, in this process."""
    words = line.split(" ")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.setenv("_SWEEP_COMPLETE", "complete_bash")
    return CliRunner().invoke(app, [], prog_name="sweep").stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sweep sh", ["show"]),
        ("sweep status ", ["digits", "other"]),
        ("sweep compare digits ", ["digits", "other"]),
        ("sweep predict d", ["digits"]),
        ("sweep run f", ["first"]),
        ("sweep show digits ", ["0", "12"]),
        ("sweep show digits 1", ["12"]),
        ("sweep show --stage ablation digits ", ["3"]),
        ("sweep show digits 3 --stage ", ["search", "ablation"]),
        ("sweep show other ", []),
        ("sweep show ../.. ", []),
        ("sweep explain digits --trial ", ["0", "12"]),
        ("sweep resume digits --stage c", ["confirm"]),
        ("sweep run first --toggle rel", ["relu"]),
        ("sweep new x --workload tests.toy --toggle rel", []),
        ("sweep status --runs-dir nowhere ", []),
        ("sweep ls --js", ["--json"]),
    ],
)
def test_word_is_completed(line: str, expected: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert completed(line, monkeypatch) == expected


def test_completion_of_a_trial_loads_nothing_heavy(folder: Path) -> None:
    code = (
        "import atexit, sys\nsys.argv = ['sweep']\n"
        "atexit.register(lambda: print('LOADED', *(name for name in sys.modules if '.' not in name)))\n"
        "from sweeps.cli import main\nmain()"
    )
    asked = {"COMP_WORDS": "sweep show digits 1", "COMP_CWORD": "3", "_SWEEP_COMPLETE": "complete_bash"}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=clean(asked), capture_output=True, text=True)
    shown, _, loaded = done.stdout.partition("LOADED")
    assert shown.split() == ["12"]
    assert not HEAVY & set(loaded.split())


def test_help_says_how_to_install_it() -> None:
    page = CliRunner().invoke(app, ["--help"]).stdout
    assert "--install-completion" in page.partition("Run:")[0]
    assert "`sweep --install-completion` once." in " ".join(page.partition("Maintain:")[2].split())
