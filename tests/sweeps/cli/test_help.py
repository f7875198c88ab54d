"""What `sweep` says of itself: groups, whole summaries, examples that hold, and what to do next."""

from __future__ import annotations

import shlex
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from sweeps.cli.app import app
from sweeps.cli.help.examples import EXAMPLES, GROUPS
from tests.sweeps.support import ROOT, run_inline, toy_study

NAMES = list(get_command(app).commands)  # type: ignore[attr-defined]
LINES = [line for lines in EXAMPLES.values() for line in lines]
# Those that are quick in a folder with studies; the others train, start Ray, draw pages or need files.
QUICK = {"status", "ls", "show", "explain", "validate", "toggles", "schema", "repair", "archive"}


def printed(*words: str) -> str:
    """Return what a command that succeeds prints on a terminal of 80 columns."""
    done = CliRunner().invoke(app, words, prog_name="sweep", env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study files of the examples and the runs of a small study of the name in them."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(ROOT / "studies", folder / "studies")
    run_inline(toy_study(name="quickstart", run_cap=4, ablation={"components": ["relu"], "seeds": 2}), folder / "runs")
    return folder


def test_every_command_stands_in_one_group_and_has_an_example() -> None:
    assert sorted(EXAMPLES) == sorted(NAMES)
    assert sum(map(len, GROUPS.values())) == len(EXAMPLES)


@pytest.mark.parametrize("line", LINES)
def test_example_is_a_command_line_that_parses(line: str) -> None:
    program, name, *words = shlex.split(line)
    group = get_command(app)
    command: Any = group.commands[name]  # type: ignore[attr-defined]
    if hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    assert program == "sweep"
    command.make_context(name, words)
    assert all((ROOT / word).exists() for word in words if word.startswith("studies/"))


@pytest.mark.parametrize("line", [line for line in LINES if line.split()[1] in QUICK])
def test_quick_example_does_what_it_says(line: str, studies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(studies)
    printed(*shlex.split(line)[1:])


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_the_commands_in_groups_with_whole_summaries(option: str) -> None:
    page = printed(option)
    titles = [line[:-1] for line in page.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Options", *GROUPS]
    assert max(map(len, page.splitlines())) <= 80
    assert "..." not in page.partition("Options:")[2]
    flat = " ".join(page.split())
    assert "explain Explain how a search decided: which trials went on and why, and whether predictions held." in flat
    assert all(f"\n  {name} " in page for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_command_has_its_examples_and_no_braces(name: str) -> None:
    page = printed(name, "-h")
    assert page == printed(name, "--help")
    assert page.startswith(f"Usage: sweep {name} [OPTIONS]")
    assert not set("{}") & set(page.splitlines()[0])
    for line in EXAMPLES[name]:
        assert f"    {line}\n" in page
        assert len(line) + 4 <= 80


def test_version_is_that_of_the_package() -> None:
    assert printed("--version") == f"sweep {version('cifar-sweep')}\n"


def test_sweep_alone_says_what_to_do_next(studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(studies)
    assert "what runs has: quickstart" in printed()
    assert "sweep run studies/quickstart.yaml" in printed()
    monkeypatch.chdir(tmp_path)
    empty = printed()
    assert "sweep new NAME" in empty
    assert "sweep ls" not in empty
    assert "quickstart" not in empty
    assert len(empty.splitlines()) < 8
