"""A full, read-only or limited disk: named with the bytes it takes, nothing before it lost, and gone on with after."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.io.disk import Unwritable, in_bytes
from sweeps.storage.study_storage import StudyStorage
from sweeps.trial.trial import Status
from tests.sweeps.support import acknowledged, run_inline, sweep, toy_study, toy_text

SETTINGS: dict[str, Any] = {"method": "random", "run_cap": 4, "baseline": {"epochs": 4}}
LARGE: dict[str, Any] = {**SETTINGS, "baseline": {"epochs": 4, "ballast": 150_000}}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("mounting a small disk takes rights that this user does not have")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Take the room of `disk` but for `left` bytes; the file that does."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free - left))
    return ballast


def test_full_disk_is_named_with_its_bytes_and_the_study_goes_on_after_room_is_made(small_disk: Path) -> None:
    (small_disk / "data").mkdir()
    ballast = fill(small_disk, 560_000)
    first = run_inline(toy_study(**LARGE), small_disk)
    assert "no space is left on the device" in first.failure
    assert "(at least 146." in first.failure  # KiB: what a checkpoint takes
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
def test_disk_that_is_full_from_the_start_ends_with_one_line(small_disk: Path, left: int, tmp_path: Path) -> None:
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


class Failing:
    """fsync as of a disk that is full from the n-th call on."""

    def __init__(self, after: int, number: int) -> None:
        self.left, self.number = after, number
        self.real = os.fsync

    def __call__(self, descriptor: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(self.number, os.strerror(self.number))
        self.real(descriptor)


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "no space is left"), (errno.EDQUOT, "quota is used up"), (errno.EROFS, "read-only file system")],
)
def test_every_write_may_fail_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    straight = run_inline(toy_study(**SETTINGS), tmp_path / "straight").results
    finished: dict[int, Any] = {}
    for after in (1, 9, 14, 22, 27, 33, 41):
        monkeypatch.setattr(os, "fsync", Failing(after, number))
        try:
            finish = run_inline(toy_study(**SETTINGS), tmp_path / "broken")
            text = finish.failure
        except Unwritable as error:
            text = str(error)
        monkeypatch.undo()
        assert said in text, after
        assert "64.0 KiB needed" in text
    last = run_inline(toy_study(**SETTINGS), tmp_path / "broken")
    assert last.complete
    finished |= {trial.number: trial.curve for trial in last.results.trials if trial.status is Status.COMPLETE}
    assert {trial.number: trial.curve for trial in straight.trials} == finished
    times = acknowledged(tmp_path / "broken")
    assert len(times) - len(set(times)) <= 7


def test_database_that_may_not_grow_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_inline(toy_study(**{**SETTINGS, "run_cap": 1}), tmp_path)
    opened = StudyStorage.open.__func__  # type: ignore[attr-defined]

    def limited(cls: type[StudyStorage], folder: Path, study: Any) -> StudyStorage:
        store: StudyStorage = opened(cls, folder, study)

        @event.listens_for(store._storage.engine, "begin")
        def cap(connection: Any) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        return store

    monkeypatch.setattr(StudyStorage, "open", classmethod(limited))
    finish = run_inline(toy_study(**{**SETTINGS, "run_cap": 60}), tmp_path)
    monkeypatch.undo()
    assert "no space is left on the device" in finish.failure
    assert run_inline(toy_study(**{**SETTINGS, "run_cap": 5}), tmp_path).complete


def as_a_library(path: Path) -> None:
    """Write more than there is room for, and say nothing of the system's error."""
    try:
        path.write_bytes(bytes(200_000))
    except OSError:
        raise RuntimeError("unexpected position") from None


def test_library_that_hides_the_reason_is_seen_through(small_disk: Path) -> None:
    folder = CheckpointFolder(small_disk / "checkpoint")
    with folder.save(1) as place:
        (place / "state").write_bytes(bytes(200_000))
    fill(small_disk, 100_000)
    with pytest.raises(Unwritable, match=r"no space is left.*195\.\d KiB needed"), folder.save(2) as place:
        as_a_library(place / "state")
    restored = folder.restore()
    assert restored is not None
    assert restored.epoch == 1
    assert [path.name for path in folder.path.iterdir()] == ["0001"]


def test_error_of_the_workload_stays_its_own(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoint")
    with pytest.raises(RuntimeError, match="broken"), folder.save(1):
        raise RuntimeError("broken")


@pytest.mark.parametrize(("number", "text"), [(512, "512 bytes"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB")])
def test_bytes_are_written_as_people_read_them(number: int, text: str) -> None:
    assert in_bytes(number) == text
