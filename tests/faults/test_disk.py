"""A full, read-only or limited disk: one message with the needed bytes, nothing lost, and a resumable study."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.io.disk import Unwritable, explained, in_bytes
from sweeps.storage.study_storage import StudyStorage
from sweeps.trial.trial import Status
from tests.sweeps.support import acknowledged, run_inline, sweep, toy_study, toy_text

SETTINGS: dict[str, Any] = {"method": "random", "run_cap": 4, "baseline": {"epochs": 4}}
LARGE: dict[str, Any] = {**SETTINGS, "baseline": {"epochs": 4, "ballast": 150_000}}


@contextmanager
def mounted(place: Path, options: str) -> Iterator[Path]:
    """Yield a file system in memory."""
    place.mkdir()
    done = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True
    )
    if not done or done.returncode:
        pytest.skip("this user may not mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB in memory."""
    with mounted(tmp_path / "disk", "size=1m") as place:
        yield place


def test_file_system_without_a_free_inode_says_so_and_the_study_resumes(tmp_path: Path) -> None:
    study = toy_study(run_cap=2, baseline={"epochs": 2})
    with mounted(tmp_path / "disk", "size=64m,nr_inodes=60") as disk:
        (disk / "data").mkdir()
        fillers = [disk / f"filler-{number}" for number in range(60 - 24)]
        for filler in fillers:
            filler.touch()
        try:
            message = run_inline(study, disk).failure
        except Unwritable as error:
            message = str(error)
        assert "no inode is left on the device, which has too many files" in message
        assert "remove files that are not needed and run the same command again" in message
        assert "no space" not in message
        for filler in fillers:
            filler.unlink()
        assert run_inline(study, disk).complete


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EDQUOT, "the quota is used up (at least 64.0 KiB needed)"),
        (errno.EROFS, "it is on a read-only file system. What was saved before is intact: make it writable"),
        (errno.EMFILE, "this process has too many open files (limit "),
        (errno.ENFILE, "all processes of this machine have too many open files"),
        (errno.ENAMETOOLONG, "a name in it is longer than the file system allows"),
    ],
)
def test_error_of_the_system_says_what_it_is(tmp_path: Path, number: int, text: str) -> None:
    with pytest.raises(Unwritable) as raised, explained(tmp_path):
        raise OSError(number, os.strerror(number))
    assert text in str(raised.value)
    assert ("free)" in str(raised.value)) == (number == errno.ENOSPC)


def test_name_that_is_too_long_for_the_file_system_is_named(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 300)
    with pytest.raises(Unwritable, match="longer than the file system allows"), explained(folder):
        folder.mkdir()


def test_process_with_too_many_open_files_says_so(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())), limits[1]))
    try:
        with pytest.raises(Unwritable, match="too many open files"):
            run_inline(toy_study(run_cap=1), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def fill(disk: Path, free: int) -> Path:
    """Fill `disk` up to `free` bytes with one file, and return the file."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free - free))
    return ballast


def test_full_disk_is_named_with_its_bytes_and_the_study_resumes_with_free_space(small_disk: Path) -> None:
    (small_disk / "data").mkdir()
    ballast = fill(small_disk, 560_000)
    first = run_inline(toy_study(**LARGE), small_disk)
    assert "no space is left on the device" in first.failure
    assert "(at least 146." in first.failure  # KiB, the size of a checkpoint
    assert "KiB needed" in first.failure
    assert "make room and run the same command again" in first.failure
    running = [trial for trial in first.results.trials if trial.status is Status.RUNNING]
    assert len(running) == 1
    assert not any(trial.status is Status.FAILED for trial in first.results.trials)
    saved = CheckpointFolder(first.results.trial_folder(running[0].number) / "checkpoint")
    assert saved.restore() is not None or running[0].epochs <= 1
    before = {trial.number: trial for trial in first.results.trials if trial.status is Status.COMPLETE}
    ballast.unlink()
    last = run_inline(toy_study(**{**LARGE, "run_cap": 2}), small_disk)
    assert last.complete, last.failure
    assert all(last.results.trials[number] == trial for number, trial in before.items())
    times = acknowledged(small_disk)
    assert len(times) - len(set(times)) <= 1


@pytest.mark.parametrize("left", [0, 40_960])
def test_disk_that_is_full_from_the_start_is_one_error_line(small_disk: Path, left: int, tmp_path: Path) -> None:
    study = tmp_path / "toy.yaml"
    study.write_text(toy_text(**SETTINGS))
    ballast = fill(small_disk, left)
    words = ("run", study, "--runner", "inline", "--data-dir", tmp_path / "data", "--runs-dir", small_disk / "runs")
    done = sweep(*words, "--reports-dir", tmp_path / "reports", "--quiet", cwd=tmp_path)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stderr.startswith("error: ")
    assert "no space is left on the device" in done.stderr
    assert "Traceback" not in done.stderr
    ballast.unlink()
    again = sweep(*words, "--reports-dir", tmp_path / "reports", "--quiet", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


class FailingFsync:
    """An fsync that raises error `number` from call `after` + 1 on."""

    def __init__(self, after: int, number: int) -> None:
        self.left, self.number = after, number
        self.real = os.fsync

    def __call__(self, descriptor: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(self.number, os.strerror(self.number))
        self.real(descriptor)


@pytest.mark.parametrize(
    ("number", "text"),
    [(errno.ENOSPC, "no space is left"), (errno.EDQUOT, "quota is used up"), (errno.EROFS, "read-only file system")],
)
def test_every_write_may_fail_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, text: str
) -> None:
    straight = run_inline(toy_study(**SETTINGS), tmp_path / "straight").results
    finished: dict[int, Any] = {}
    for after in (1, 9, 14, 22, 27, 33, 41):
        monkeypatch.setattr(os, "fsync", FailingFsync(after, number))
        try:
            result = run_inline(toy_study(**SETTINGS), tmp_path / "broken")
            message = result.failure
        except Unwritable as error:
            message = str(error)
        monkeypatch.undo()
        assert text in message, after
        assert ("64.0 KiB needed" in message) == (number != errno.EROFS)
    last = run_inline(toy_study(**SETTINGS), tmp_path / "broken")
    assert last.complete
    finished |= {trial.number: trial.curve for trial in last.results.trials if trial.status is Status.COMPLETE}
    assert {trial.number: trial.curve for trial in straight.trials} == finished
    times = acknowledged(tmp_path / "broken")
    assert len(times) - len(set(times)) <= 7


def test_database_at_its_size_limit_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_inline(toy_study(**{**SETTINGS, "run_cap": 1}), tmp_path)
    opened = StudyStorage.open.__func__  # type: ignore[attr-defined]

    def limited(cls: type[StudyStorage], folder: Path, study: Any) -> StudyStorage:
        storage: StudyStorage = opened(cls, folder, study)

        @event.listens_for(storage._storage.engine, "begin")
        def cap(connection: Any) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        return storage

    monkeypatch.setattr(StudyStorage, "open", classmethod(limited))
    result = run_inline(toy_study(**{**SETTINGS, "run_cap": 60}), tmp_path)
    monkeypatch.undo()
    assert "no space is left on the device" in result.failure
    assert run_inline(toy_study(**{**SETTINGS, "run_cap": 5}), tmp_path).complete


def write_hiding_the_error(path: Path) -> None:
    """Write more than fits, and raise an error that hides the system's, as some libraries do."""
    try:
        path.write_bytes(bytes(200_000))
    except OSError:
        raise RuntimeError("unexpected position") from None


def test_full_disk_is_recognised_behind_another_error(small_disk: Path) -> None:
    folder = CheckpointFolder(small_disk / "checkpoint")
    with folder.save(1) as place:
        (place / "state").write_bytes(bytes(200_000))
    fill(small_disk, 100_000)
    with pytest.raises(Unwritable, match=r"no space is left.*195\.\d KiB needed"), folder.save(2) as place:
        write_hiding_the_error(place / "state")
    restored = folder.restore()
    assert restored is not None
    assert restored.epoch == 1
    assert [path.name for path in folder.path.iterdir()] == ["0001"]


def test_other_errors_of_the_workload_pass_unchanged(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoint")
    with pytest.raises(RuntimeError, match="broken"), folder.save(1):
        raise RuntimeError("broken")


@pytest.mark.parametrize(("number", "text"), [(512, "512 bytes"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB")])
def test_bytes_have_binary_units(number: int, text: str) -> None:
    assert in_bytes(number) == text
