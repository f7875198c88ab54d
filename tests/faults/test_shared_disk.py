"""Network file systems: a rollback journal, and a lease that names host and boot."""

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
        ("/srv/runs", "tmpfs"),  # the last mount wins
        ("/home2/x", "fuse.sshfs"),
        ("/homeless", "ext4"),
    ],
)
def test_file_system_is_that_of_the_innermost_mount(tmp_path: Path, folder: str, expected: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert kind(Path(folder), mounts) == expected


def test_file_system_is_detected_and_the_environment_overrides_it(
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
    """Return the database's journal mode and its `synchronous` setting."""
    storage = StudyStorage(folder, toy_study())
    with closing(storage), storage._storage.engine.connect() as connection:
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


# -- the lease --------------------------------------------------------------------------------------------------------


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
def test_disk_without_locks_is_held_by_the_lease_alone(
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


def write_lease(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(replace(Holder.this(), token="theirs", **changes).plain()))


@pytest.mark.parametrize("changes", [{"boot": "another"}, {"start": "1"}, {"pid": 2**22 + 1}])
def test_lease_from_before_a_reboot_or_of_a_reused_process_id_is_stale(tmp_path: Path, changes: dict[str, Any]) -> None:
    write_lease(tmp_path / "lease", **changes)
    with Lease(tmp_path / "lease", watch_s=60):
        current_holder = Holder.read(tmp_path / "lease")
        assert current_holder is not None
        assert (current_holder.token != "theirs", current_holder.pid) == (True, os.getpid())
    assert list(tmp_path.iterdir()) == []


def test_lease_of_another_host_is_taken_over_after_a_time_without_heartbeat(tmp_path: Path) -> None:
    write_lease(tmp_path / "lease", host="elsewhere")
    with Lease(tmp_path / "lease", beat_s=0.05, watch_s=0.2):
        current_holder = Holder.read(tmp_path / "lease")
        assert current_holder is not None
        assert current_holder.pid == os.getpid()


def test_lease_of_another_host_with_heartbeat_is_respected(tmp_path: Path) -> None:
    stop = threading.Event()

    def beat() -> None:
        number = 0
        while not stop.wait(0.02):
            number += 1
            write_lease(tmp_path / "lease.new", host="elsewhere", beat=number)
            (tmp_path / "lease.new").replace(tmp_path / "lease")

    write_lease(tmp_path / "lease", host="elsewhere")
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(Taken), Lease(tmp_path / "lease", beat_s=0.1, watch_s=60):
            pass
    finally:
        stop.set()
        thread.join()


def test_holder_that_lost_its_lease_ends(tmp_path: Path) -> None:
    ended = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        with Lease(tmp_path / "lease", beat_s=0.05):
            write_lease(tmp_path / "lease", host="elsewhere")
            assert ended.wait(60)
    finally:
        signal.signal(signal.SIGTERM, before)
    current_holder = Holder.read(tmp_path / "lease")
    assert current_holder is not None
    assert current_holder.host == "elsewhere"  # the other holder's lease stays


def test_unreadable_lease_is_taken_over_after_a_while(tmp_path: Path) -> None:
    (tmp_path / "lease").write_text("{")
    with Lease(tmp_path / "lease", beat_s=0.05, watch_s=0.2):
        assert Holder.read(tmp_path / "lease") is not None


def test_process_is_identified_by_its_start_time() -> None:
    assert start_of(os.getpid()) == start_of(os.getpid()) != ""
    assert start_of(2**22 + 1) == ""
