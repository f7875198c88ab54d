"""A dead holder's lease goes to one of the processes that want it, whatever the order of their steps."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.io import lease
from sweeps.io.lease import Holder, Lease, Taken
from sweeps.io.machine import available_cores
from tests.sweeps.support import ROOT, clean

# Answers the line "take" with "holds" or "taken", and keeps the lease until the line "release". With a second argument
# it stops once, with the answer "stopped", until it gets a line: after it has found that the holder is dead, or before
# it replaces the lease.
NEWCOMER = """
import sys
from pathlib import Path
from sweeps.io import lease
from sweeps.io.lease import Holder, Lease, Taken

def say(word):
    print(word, flush=True)

def stop_once(place, name, after):
    step = getattr(place, name)
    def stopping(*arguments):
        setattr(place, name, step)
        result = step(*arguments) if after else None
        say("stopped")
        sys.stdin.readline()
        return result if after else step(*arguments)
    setattr(place, name, stopping)

if sys.argv[2] == "found it dead":
    stop_once(Holder, "gone", after=True)
elif sys.argv[2] == "replaces it":
    stop_once(lease, "write_atomic", after=False)
while sys.stdin.readline():
    try:
        with Lease(Path(sys.argv[1]), beat_s=60, watch_s=60):
            say("holds")
            sys.stdin.readline()
        say("released")
    except Taken:
        say("taken")
"""


@contextmanager
def newcomer(path: Path, stop: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that wants the lease `path`; it stops at one step."""
    command = [sys.executable, "-c", NEWCOMER, str(path), stop]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=clean({})) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def ask(process: subprocess.Popen[str], word: str) -> str:
    tell(process, word)
    return answer(process)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The lease of a process that has ended."""
    leave_dead(tmp_path / "lease", "the first")
    return tmp_path / "lease"


def leave_dead(path: Path, token: str) -> None:
    path.write_text(json.dumps(replace(Holder.this(), start="1", token=token).plain()))


def test_newcomer_that_was_slow_does_not_take_the_lease_of_a_quicker_one(path: Path) -> None:
    with newcomer(path, "found it dead") as slow, newcomer(path) as quick:
        assert ask(slow, "take") == "stopped"
        assert ask(quick, "take") == "holds"
        assert ask(slow, "go on") == "taken"
        holder = Holder.read(path)
        assert holder is not None
        assert holder.pid == quick.pid


def test_newcomer_that_was_slow_takes_a_lease_that_has_been_released(path: Path) -> None:
    with newcomer(path, "found it dead") as slow, newcomer(path) as quick:
        assert ask(slow, "take") == "stopped"
        assert [ask(quick, "take"), ask(quick, "release")] == ["holds", "released"]
        assert ask(slow, "go on") == "holds"


def test_newcomer_waits_for_another_that_is_taking_the_lease_over(path: Path) -> None:
    with newcomer(path, "replaces it") as slow, newcomer(path) as quick:
        assert ask(slow, "take") == "stopped"
        tell(quick, "take")
        assert ask(slow, "go on") == "holds"
        assert answer(quick) == "taken"


def test_newcomer_that_dies_while_it_takes_the_lease_over_is_succeeded(path: Path) -> None:
    with newcomer(path, "replaces it") as slow, newcomer(path, "replaces it") as second, newcomer(path) as third:
        for dying in (slow, second):
            assert ask(dying, "take") == "stopped"
            dying.kill()
            dying.wait()
        assert [ask(third, "take"), ask(third, "release")] == ["holds", "released"]
    assert not list(path.parent.iterdir())


def test_one_of_racing_newcomers_gets_the_lease(path: Path) -> None:
    with newcomer(path) as one, newcomer(path) as two, newcomer(path) as three:
        racing = [one, two, three]
        for number in range(50):
            leave_dead(path, f"holder {number}")
            for process in racing:
                tell(process, "take")
            answers = [answer(process) for process in racing]
            assert sorted(answers) == ["holds", "taken", "taken"]
            assert ask(racing[answers.index("holds")], "release") == "released"
    assert not list(path.parent.iterdir())


def test_damaged_claim_is_taken_over_after_a_while(path: Path) -> None:
    lease._claim(path, Holder.read(path)).write_text("{")
    with Lease(path, beat_s=0.05, watch_s=0.1):
        assert [file.name for file in path.parent.iterdir()] == ["lease"]


def test_holder_goes_on_beating_after_a_write_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, failures, beaten = lease.write_atomic, [OSError(errno.EIO, "of the network")], threading.Event()

    def failing_once(file: Path, text: str) -> None:
        if failures:
            raise failures.pop()
        write(file, text)
        beaten.set()

    monkeypatch.setattr(lease, "write_atomic", failing_once)
    with Lease(tmp_path / "lease", beat_s=0.01):
        assert beaten.wait(10)


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 1], ids=["living", "ended"])
def test_without_proc_a_holder_is_alive_while_its_process_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pid: int
) -> None:
    monkeypatch.setattr(lease, "PROCESSES", tmp_path / "none")
    path = tmp_path / "lease"
    path.write_text(json.dumps(replace(Holder.this(), token="theirs", pid=pid).plain()))
    if pid == os.getpid():
        with pytest.raises(Taken), Lease(path):
            pass
    else:
        with Lease(path):
            assert path.exists()


def test_cores_are_counted_where_affinity_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert available_cores() == os.cpu_count()
