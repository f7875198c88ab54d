"""Files are replaced whole, links stay, and what a kill leaves is removed unless its process lives."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.io.files import remove_leftovers, write_atomic
from sweeps.storage.study_storage import StudyStorage
from tests.sweeps.support import ROOT, clean, toy_study

# Writes one file atomically, one checkpoint after it, and waits inside the second of two calls of fsync.
WRITE = """
import os, sys
from pathlib import Path
from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.io.files import write_atomic
def wait(descriptor):
    print("waiting", flush=True)
    sys.stdin.read()
if sys.argv[1] == "file":
    os.fsync = wait
    write_atomic(Path("index.html"), "new")
else:
    with CheckpointFolder(Path("checkpoint")).save(1) as folder:
        (folder / "state").write_text("half")
        wait(0)
"""


@contextmanager
def writing(folder: Path, kind: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that has written a part of a file or a checkpoint, which it completes when its stdin closes."""
    words = [sys.executable, "-c", WRITE, kind]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, cwd=folder, env=clean({"PYTHONPATH": str(ROOT)}), text=True, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        try:
            yield process
        finally:
            process.kill()


def temporary(folder: Path) -> list[Path]:
    return list(folder.rglob(".*"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_leftover_of_a_killed_process_is_removed_at_the_next_write(tmp_path: Path) -> None:
    with writing(tmp_path, "file") as process:
        assert len(temporary(tmp_path)) == 1
        remove_leftovers(tmp_path, of_0_1_0=True)
        assert len(temporary(tmp_path)) == 1  # its process lives
        process.send_signal(signal.SIGKILL)
        process.wait()
    write_atomic(tmp_path / "other.csv", "text")
    assert names(tmp_path) == ["other.csv"]


def test_process_that_lives_completes_its_file_whatever_others_write(tmp_path: Path) -> None:
    with writing(tmp_path, "file") as process:
        write_atomic(tmp_path / "index.html", "meanwhile")
        process.communicate("")
    assert (tmp_path / "index.html").read_text() == "new"
    assert names(tmp_path) == ["index.html"]


@pytest.mark.parametrize("killed", [False, True])
def test_partial_checkpoint_is_removed_once_its_process_is_dead(tmp_path: Path, killed: bool) -> None:
    checkpoints = CheckpointFolder(tmp_path / "checkpoint")
    with writing(tmp_path, "checkpoint") as process:
        if killed:
            process.kill()
            process.wait()
        with checkpoints.save(2) as folder:
            (folder / "state").write_text("whole")
        assert len(temporary(checkpoints.path)) == (not killed)
        if not killed:
            process.communicate("")
    assert [path.name for path in sorted(checkpoints.path.iterdir())] == ["0002"] if killed else ["0001", "0002"]


def test_start_of_a_study_removes_the_leftovers_of_the_driver_before(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    left = (".study.db.k2j3h4g5.new", ".study.db.k2j3h4g5.new-journal", ".study.yaml.k2j3h4g5.partial")
    left += (".environment.json.k2j3h4g5", "stages/.final.json.k2j3h4g5.partial")
    for name in left:
        (tmp_path / name).write_text("")
    kept = tmp_path / ".env.template"
    kept.write_text("a file of the user's")
    StudyStorage.open(tmp_path, toy_study()).close()
    assert temporary(tmp_path) == [kept]


def test_link_stays_and_the_file_to_which_it_leads_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "study.yaml"
    link.symlink_to(tmp_path / "elsewhere" / "mine.yaml")
    for text in ("first", "second"):  # the link leads nowhere at first
        write_atomic(link, text)
        assert link.is_symlink()
        assert (tmp_path / "elsewhere" / "mine.yaml").read_text() == text
    assert names(tmp_path / "elsewhere") == ["mine.yaml"]
