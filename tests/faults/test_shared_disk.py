"""Folders on a network file system: a rollback journal, and a lock that names host and boot."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.io.filesystem import UnknownKind, kind, on_network
from sweeps.io.lease import Holder, Lease, Taken, boot_id, start_of
from sweeps.io.lock import Held, driver_lock, holder
from sweeps.storage.study_storage import StudyStorage
from tests.sweeps.support import holding, run_inline, toy_study

MOUNTS = """\
21 1 252:0 / / rw,relatime - ext4 /dev/vda rw
35 21 0:43 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
36 35 0:44 / /home/ada/local rw - xfs /dev/vdb rw
37 21 0:45 / /mnt/two\\040words rw - lustre mgs:/scratch rw
38 21 0:46 / /srv rw - nfs server:/srv rw
39 21 0:47 / /srv rw - tmpfs tmpfs rw
40 21 0:48 / /home2 rw - fuse.sshfs ada@server: rw
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/var/tmp", "ext4"),
        ("/home/ada/runs", "nfs4"),
        ("/home/ada/local/runs", "xfs"),
        ("/mnt/two words/runs", "lustre"),
        ("/srv/runs", "tmpfs"),  # what was mounted last
        ("/home2/x", "fuse.sshfs"),
        ("/homeless", "ext4"),
    ],
)
def test_file_system_is_that_of_the_innermost_mount(tmp_path: Path, folder: str, expected: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert kind(Path(folder), mounts) == expected


def test_file_system_of_this_machine_is_known_and_the_environment_may_know_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kind(tmp_path)
    assert not on_network(tmp_path)
    monkeypatch.setenv("SWEEP_FILESYSTEM", "network")
    assert on_network(tmp_path)
    monkeypatch.setenv("SWEEP_FILESYSTEM", "nfs")
    with pytest.raises(UnknownKind, match="SWEEP_FILESYSTEM must be network or local but is 'nfs'"):
        on_network(tmp_path)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is on a network file system."""
    monkeypatch.setenv("SWEEP_FILESYSTEM", "network")


def journal(folder: Path) -> Any:
    store = StudyStorage(folder, toy_study())
    with closing(store), store._storage.engine.connect() as connection:
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar()
        return connection.exec_driver_sql("PRAGMA journal_mode").scalar(), synchronous


def test_study_that_moves_between_disks_changes_its_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = run_inline(toy_study(run_cap=2), tmp_path).results
    assert journal(local.folder) == ("wal", 2)
    monkeypatch.setenv("SWEEP_FILESYSTEM", "network")
    moved = run_inline(toy_study(run_cap=4), tmp_path).results
    assert journal(local.folder) == ("delete", 2)
    assert not list(local.folder.glob("study.db-*"))
    assert moved.trials[:2] == local.trials
    assert moved.counted == 4


# -- the claim --------------------------------------------------------------------------------------------------------


@pytest.fixture
def other_driver(tmp_path: Path, network: None) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds `tmp_path`; it ends when its standard input closes."""
    with holding(tmp_path, SWEEP_FILESYSTEM="network") as process:
        yield process


def test_second_driver_is_refused_and_a_dead_first_one_is_recognised(
    tmp_path: Path, other_driver: subprocess.Popen[str]
) -> None:
    named = holder(tmp_path)
    assert named is not None
    assert (named["pid"], named["host"], named["boot"]) == (other_driver.pid, socket.gethostname(), boot_id())
    with pytest.raises(Held, match=f"process {other_driver.pid} on {socket.gethostname()}"), driver_lock(tmp_path):
        pass
    other_driver.kill()
    other_driver.wait()
    assert holder(tmp_path) is None
    with driver_lock(tmp_path):
        assert json.loads((tmp_path / "lock.json").read_text())["pid"] == os.getpid()
    assert not (tmp_path / "lock.json").exists()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_disk_without_locks_is_held_by_the_claim_alone(
    tmp_path: Path, network: None, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_locks(monkeypatch, number)
    with driver_lock(tmp_path), pytest.raises(Held, match=f"process {os.getpid()} on"), driver_lock(tmp_path):
        pass
    assert not (tmp_path / "lock.json").exists()


@pytest.mark.parametrize(("filesystem", "number"), [("local", errno.ENOLCK), ("network", errno.EIO)])
def test_lock_that_is_refused_for_another_reason_or_on_a_local_disk_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filesystem: str, number: int
) -> None:
    monkeypatch.setenv("SWEEP_FILESYSTEM", filesystem)
    refuse_locks(monkeypatch, number)
    with pytest.raises(OSError, match=os.strerror(number)), driver_lock(tmp_path):
        pass


def refuse_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)


def left_by(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(replace(Holder.this(), token="theirs", **changes).plain()))


@pytest.mark.parametrize("changes", [{"boot": "another"}, {"start": "1"}, {"pid": 2**22 + 1}])
def test_claim_from_before_a_reboot_or_of_another_process_of_that_number_is_stale(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    left_by(tmp_path / "claim", **changes)
    with Lease(tmp_path / "claim", watch_s=60):
        found = Holder.read(tmp_path / "claim")
        assert found is not None
        assert (found.token != "theirs", found.pid) == (True, os.getpid())
    assert list(tmp_path.iterdir()) == []


def test_claim_of_another_host_is_taken_over_once_it_has_been_silent(tmp_path: Path) -> None:
    left_by(tmp_path / "claim", host="elsewhere")
    with Lease(tmp_path / "claim", beat_s=0.05, watch_s=0.2):
        found = Holder.read(tmp_path / "claim")
        assert found is not None
        assert found.pid == os.getpid()


def test_claim_of_another_host_that_beats_is_respected(tmp_path: Path) -> None:
    over = threading.Event()

    def beat() -> None:
        number = 0
        while not over.wait(0.02):
            number += 1
            left_by(tmp_path / "claim.new", host="elsewhere", beat=number)
            (tmp_path / "claim.new").replace(tmp_path / "claim")

    left_by(tmp_path / "claim", host="elsewhere")
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(Taken), Lease(tmp_path / "claim", beat_s=0.1, watch_s=60):
            pass
    finally:
        over.set()
        thread.join()


def test_holder_that_was_silent_too_long_ends_when_it_finds_another_in_its_place(tmp_path: Path) -> None:
    ended = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        with Lease(tmp_path / "claim", beat_s=0.05):
            left_by(tmp_path / "claim", host="elsewhere")
            assert ended.wait(60)
    finally:
        signal.signal(signal.SIGTERM, before)
    found = Holder.read(tmp_path / "claim")
    assert found is not None
    assert found.host == "elsewhere"  # what is another's stays


def test_claim_that_cannot_be_read_is_taken_over_once_it_has_been_so_for_long(tmp_path: Path) -> None:
    (tmp_path / "claim").write_text("{")
    with Lease(tmp_path / "claim", beat_s=0.05, watch_s=0.2):
        assert Holder.read(tmp_path / "claim") is not None


def test_process_is_known_by_its_start() -> None:
    assert start_of(os.getpid()) == start_of(os.getpid()) != ""
    assert start_of(2**22 + 1) == ""
