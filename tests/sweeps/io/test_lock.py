"""The driver lock: a second driver is refused with the name of the first."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from sweeps.io.lock import Held, driver_lock, holder
from tests.sweeps.support import holding


@pytest.fixture
def other_driver(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that holds `tmp_path`; it ends when its standard input closes."""
    with holding(tmp_path) as process:
        yield process


def test_second_driver_is_refused_with_pid_and_host_of_the_first(
    tmp_path: Path, other_driver: subprocess.Popen[str]
) -> None:
    with pytest.raises(Held, match=f"process {other_driver.pid} on {socket.gethostname()}"), driver_lock(tmp_path):
        pass
    known = holder(tmp_path)
    assert known is not None
    assert known["pid"] == other_driver.pid


def test_killed_driver_leaves_no_lock(tmp_path: Path, other_driver: subprocess.Popen[str]) -> None:
    other_driver.kill()
    other_driver.wait()
    assert holder(tmp_path) is None
    with driver_lock(tmp_path):
        assert (tmp_path / "lock.json").read_text().startswith(f'{{"pid": {os.getpid()}')
    assert holder(tmp_path) is None


def test_lock_without_a_readable_name_is_still_a_lock(tmp_path: Path, other_driver: subprocess.Popen[str]) -> None:
    (tmp_path / "lock.json").write_text("[")
    with pytest.raises(Held, match="another driver"), driver_lock(tmp_path):
        pass
