"""The questions of `sweep new`, with answers as a person would type them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from sweeps.cli.questions import asked
from sweeps.study.document import read
from sweeps.validation.checks import accept
from sweeps.validation.draft.choices import Choices
from tests.sweeps.support import clean

ENTER = "\n"


def answered(*answers: str, workload: str = "tests.toy", choices: Choices | None = None) -> tuple[Result, Choices]:
    """Answer the questions in turn; return what was printed, and the choices."""
    made: list[Choices] = []
    app = typer.Typer()

    @app.command()
    def ask() -> None:
        made.append(asked(choices or Choices(""), workload, None))

    result = CliRunner().invoke(app, input="".join(f"{answer}\n" for answer in answers))
    assert result.exit_code == 0, result.output
    return result, made[0]


def test_enter_takes_every_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result, choices = answered("mine", *[""] * 8)
    assert choices == Choices(
        "mine", "Which settings are best, and which parts matter?", None, None, "130", 4, "auto",
        ("lr=log:0.005..0.5",), (), ("relu", "momentum", "depth"), 60,
    )  # fmt: skip
    assert "Budget in parameters, such as 250k or 5M, or none (this baseline has 128) [130]" in result.output


def test_an_answer_that_cannot_be_is_explained_and_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["../mine", "mine", "Why?", "5Q", "100", "zero", "0", "8", "tpu", "cpu", "rate=1..2", "lr=0.1..0.2"]
    result, choices = answered(*words, "relu", "done", "rely", "momentum, depth", "many", "0 trainings", "9 trainings")
    assert choices == Choices(
        "mine", "Why?", None, None, "100", 8, "cpu", ("lr=0.1..0.2",), ("relu",), ("momentum", "depth"), None, 9.0
    )
    explained = [line for line in result.output.splitlines() if line.startswith("  ")]
    assert [line.split()[0] for line in explained] == [
        *("names", "must", "The", "must", "must", "must", "unknown", "unknown", "must", "must")
    ]
    assert explained[2].startswith("  The baseline: widths scaled by 0.")
    assert "--" not in result.output


def test_what_was_given_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = Choices("mine", "Why?", None, None, "100", 3, "cpu", ("epochs=[3, 4]",), (), ("relu",), 5)
    result, choices = answered(choices=given)
    assert choices == given
    assert result.output.count("\n") == 1


def test_models_and_data_sets_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = Choices("mine", "Why?", None, None, "50k", 3, "cpu", (), (), ("relu",), 5)
    result, choices = answered("npz", "digits", "lenet5", "two_layer", workload="cifar_sweep", choices=given)
    assert (choices.data, choices.model) == ("digits", "two_layer")
    assert "the 8x8 images vanish in the layer" in result.output
    assert "Data set (digits, cifar10, cifar100, stl10, npz, folder) [cifar10]: " in result.output
    assert "resnet, " in result.output


def on_a_terminal(folder: Path, typed: str, *words: str) -> tuple[int, str]:
    """Run `sweep new` on a terminal of its own, with `typed` on its keyboard once it asks."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "sweeps", "new", *words, "--workload", "tests.toy"]
    process = subprocess.Popen(
        command, cwd=folder, env=clean({}), stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=_own_terminal
    )
    os.close(theirs)
    output, sent = b"", False
    while chunk := _read(ours):
        output += chunk
        if not sent and b"]: " in output:
            os.write(ours, typed.encode())
            sent = True
    os.close(ours)
    return process.wait(), output.decode()


def _own_terminal() -> None:
    """Make standard input the controlling terminal, so that a typed Ctrl-C is a signal."""
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read(file: int) -> bytes:
    try:
        return os.read(file, 4096)
    except OSError:  # the other side is closed
        return b""


def test_a_terminal_asks_and_writes_a_study_that_validates(tmp_path: Path) -> None:
    code, output = on_a_terminal(tmp_path, f"mine{ENTER}" + ENTER * 8)
    assert code == 0, output
    assert "Next: sweep plan studies/mine.yaml, then sweep run studies/mine.yaml" in output
    accept(read(tmp_path / "studies" / "mine.yaml"))


def test_interrupting_the_questions_leaves_nothing_behind(tmp_path: Path) -> None:
    code, output = on_a_terminal(tmp_path, f"mine{ENTER}Why?{ENTER}\x03")
    assert code != 0
    assert "Traceback" not in output
    assert not list(tmp_path.iterdir())


def test_with_defaults_a_terminal_asks_nothing(tmp_path: Path) -> None:
    code, output = on_a_terminal(tmp_path, "", "mine", "--defaults")
    assert code == 0, output
    assert "[" not in output
