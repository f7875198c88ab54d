"""Standard output and error: a reader who leaves and an old encoding end nothing and change no figure."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sweeps.support import clean, command, sweep, toy_text


def lasting(script: str, **streams: object) -> subprocess.Popen[str]:
    """Run `script` in its own process after `make_lasting`."""
    whole = f"import os, sys\nfrom sweeps.cli.streams import make_lasting\nmake_lasting()\n{script}"
    return subprocess.Popen([sys.executable, "-c", whole], env=clean({}), text=True, **streams)  # type: ignore[call-overload,no-any-return]


def test_study_goes_on_when_the_reader_of_its_progress_leaves(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(toy_text(run_cap=2))
    words = command("run", "toy.yaml", "--runner", "inline", "--data-dir", tmp_path / "data")
    reading, writing = os.pipe()
    os.close(reading)  # as `| head` does, but certain to come before the first line
    with subprocess.Popen(words, cwd=tmp_path, env=clean({}), stdout=writing, stderr=writing) as process:
        os.close(writing)
        assert process.wait(timeout=300) == 0
    assert (tmp_path / "reports" / "toy" / "index.html").exists()
    assert len(list((tmp_path / "runs" / "toy" / "trials").iterdir())) == 2


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_nobody_reads_is_dropped(stream: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    numbers = {"stdout": 1, "stderr": 2}
    script = f"for _ in range(3): print('x' * 10_000, file=sys.{stream})\nos.write({numbers[stream]}, b'x')"
    with lasting(script, **{stream: writing}) as process:
        os.close(writing)
        assert process.wait(timeout=300) == 0


def test_a_terminal_that_was_closed_ends_nothing() -> None:
    outer, inner = pty.openpty()
    with lasting("sys.stdin.read()\nprint('x')", stdin=subprocess.PIPE, stdout=inner) as process:
        os.close(inner)
        os.close(outer)
        process.communicate("", timeout=300)
    assert process.returncode == 0


def test_a_full_disk_is_still_told() -> None:
    with Path("/dev/full").open("w") as full, lasting("print('x')", stdout=full, stderr=subprocess.PIPE) as process:
        assert "No space left on device" in process.communicate(timeout=300)[1]
    assert process.returncode != 0


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("ascii", "-0.3 +/- 1 x ?\n"), ("latin-1", "-0.3 ± 1 × ?\n"), ("utf-8", "\N{MINUS SIGN}0.3 ± 1 × 学\n")],
)
def test_an_encoding_without_a_character_keeps_the_sign_of_a_figure(encoding: str, expected: str) -> None:
    script = "from sweeps.cli.streams import make_lasting\nmake_lasting()\nprint('\\u22120.3 \\xb1 1 \\xd7 \\u5b66')"
    environment = clean({"PYTHONIOENCODING": encoding})
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    assert done.stdout.decode(encoding) == expected


def test_plan_is_printed_on_a_terminal_without_utf_8(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(toy_text(question="Größe − 学?"))
    done = sweep("plan", "toy.yaml", "--no-probe", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
