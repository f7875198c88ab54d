"""What surrounds Ray: its folder, its processes, its head, and the signal handlers that it replaces."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray._private import services

from sweeps.io.disk import Unwritable
from sweeps.runners.protocol import RunnerError
from sweeps.runners.ray import head
from sweeps.runners.ray.processes import ServerProcesses
from sweeps.runners.ray.temp_dir import LONGEST, LONGEST_SOCKET, temp_dir


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("RAY_TMPDIR", "TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own folders are too long for Ray
        yield Path(folder)


def test_folder_of_ray_is_the_systems_unless_its_path_is_too_long_for_a_socket(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert temp_dir() == Path("/tmp/ray")
    monkeypatch.setenv("TMPDIR", str(folders))
    assert temp_dir() == folders / "ray"
    deep = folders / ("d" * LONGEST)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    assert temp_dir() == Path("/tmp/ray")


def test_longest_folder_of_ray_leaves_room_for_its_sockets() -> None:
    session = "session_2026-11-30_07-44-30_182034_4194304"
    assert len(os.fsencode(f"/{'d' * (LONGEST - 1)}/ray/{session}/sockets/plasma_store.1")) <= LONGEST_SOCKET


def test_folder_that_ray_cannot_use_is_refused_with_the_variable(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = folders / ("d" * LONGEST)
    monkeypatch.setenv("RAY_TMPDIR", str(deep))
    with pytest.raises(RunnerError, match=rf"RAY_TMPDIR may have {LONGEST} bytes at most, .* but has {len(str(deep))}"):
        temp_dir()
    (folders / "file").touch()
    monkeypatch.setenv("RAY_TMPDIR", str(folders / "file"))
    with pytest.raises(RunnerError, match=r"Ray cannot use .*file for its logs and sockets.*set RAY_TMPDIR"):
        temp_dir()


def test_full_folder_of_ray_is_named(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("RAY_TMPDIR", str(folders))
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    with pytest.raises(Unwritable, match=rf"{folders} cannot be written: no space is left"):
        temp_dir()


def test_processes_of_ray_are_out_of_reach_of_group_signals_and_end_with_their_descendants(tmp_path: Path) -> None:
    raylet, processes = tmp_path / "raylet", ServerProcesses()
    shutil.copy(shutil.which("bash") or "/bin/bash", raylet)
    with processes.starting():
        started = services.start_ray_process([str(raylet), "-c", "sleep 600 & wait"], "raylet", False).process
    assert os.getsid(started.pid) == started.pid != os.getsid(0)
    for number in (signal.SIGHUP, signal.SIGUSR1):
        os.kill(started.pid, number)
    while not (children := psutil.Process(started.pid).children()):
        assert started.poll() is None
    assert processes.dead() == []
    processes.kill()
    assert not psutil.wait_procs(children, timeout=30)[1]
    assert processes.dead() == []  # nobody asks about those that were killed on purpose


def test_server_process_that_dies_is_named(tmp_path: Path) -> None:
    processes = ServerProcesses()
    shutil.copy(shutil.which("true") or "/bin/true", tmp_path / "gcs_server")
    with processes.starting():
        services.start_ray_process([str(tmp_path / "gcs_server")], "gcs_server", False).process.wait()
        services.start_ray_process(["true"], "monitor", False).process.wait()
    assert processes.dead() == ["gcs_server"]


def test_handler_that_c_code_replaces_is_put_back() -> None:
    get, put = ctypes.pythonapi.PyOS_getsig, ctypes.pythonapi.PyOS_setsig
    get.restype = put.restype = ctypes.c_void_p
    put.argtypes = [ctypes.c_int, ctypes.c_void_p]
    heard: list[int] = []
    former = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        before = get(int(signal.SIGTERM))
        with ServerProcesses().starting():
            put(int(signal.SIGTERM), None)  # the default, which would end this process
            while get(int(signal.SIGTERM)) != before:
                pass
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, former)
    assert heard == [signal.SIGTERM]


def test_head_that_does_not_answer_is_lost_and_its_workers_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "CHECK_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        watch = head.HeadWatch(address)
        assert not watch.lost()
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    head._watch(watch)
    assert ends == [1]
    assert watch.lost()
