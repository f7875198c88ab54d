"""States handed over with `Run.save`: when they are saved, from a copy, and what waits for the disk."""

from __future__ import annotations

import errno
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.io.disk import Unwritable
from sweeps.workload import Preempted, Run
from sweeps.workload.checkpoints import CheckpointWriter, State

NAME = "state.pkl"


class Clock:
    """Stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Disk:
    """A disk on which dumping stops until `free` is set.

    Attributes:
        reached: Set once a dump has begun.
    """

    def __init__(self) -> None:
        self.reached, self.free = threading.Event(), threading.Event()

    def dump(self, state: Any, file: BinaryIO) -> None:
        self.reached.set()
        self.free.wait()
        pickle.dump(state, file)

    def free_once_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set `free` when a thread is waited for."""
        join = threading.Thread.join

        def joined(thread: threading.Thread) -> None:
            self.free.set()
            join(thread)

        monkeypatch.setattr(threading.Thread, "join", joined)


def restored(folder: Path) -> tuple[int, Any] | None:
    """Return the epoch and the content of the newest intact checkpoint."""
    checkpoint = CheckpointFolder(folder).restore()
    return checkpoint and (checkpoint.epoch, pickle.loads((checkpoint.folder / NAME).read_bytes()))


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """A function that makes runs; nothing of them is written any more at the end."""
    made: list[Run] = []

    def make(**fields: Any) -> Run:
        made.append(Run(0, 0, device="cpu", data_dir=tmp_path, folder=tmp_path, **{"checkpoint_every": 0.0, **fields}))
        return made[-1]

    yield make
    for run in made:
        run.close()


@pytest.mark.parametrize(
    ("every_s", "epoch_s", "epochs", "saved"),
    [
        (30.0, 0.3, 40, []),  # the whole training is shorter
        (30.0, 3.0, 25, [10, 20]),
        (30.0, 15.0, 6, [2, 4, 6]),
        (30.0, 16.0, 4, [1, 2, 3, 4]),  # two epochs would be longer than 30 s
        (30.0, 40.0, 3, [1, 2, 3]),
        (0.0, 0.3, 3, [1, 2, 3]),
        (1.0, 0.3, 7, [3, 6]),
    ],
)
def test_training_between_two_saved_states_is_no_longer_than_asked_or_an_epoch(
    tmp_path: Path, every_s: float, epoch_s: float, epochs: int, saved: list[int]
) -> None:
    clock, written = Clock(), []
    writer = CheckpointWriter(CheckpointFolder(tmp_path / "checkpoint"), every_s, clock)
    for epoch in range(1, epochs + 1):
        clock.now += epoch_s
        state = State(epoch, NAME, epoch, pickle.dump)
        writer.offer(state, lambda content: written.append(content) or content, keep=True)
    assert written == saved
    writer.finish(epochs)
    assert restored(tmp_path / "checkpoint") == (epochs, epochs)


def test_seconds_of_the_copy_count_but_not_those_before_the_training(tmp_path: Path) -> None:
    clock = Clock()
    writer = CheckpointWriter(CheckpointFolder(tmp_path / "checkpoint"), 30.0, clock)
    clock.now += 1000.0  # loading data: the first state is saved, and the count begins anew
    writer.offer(State(1, NAME, 1, pickle.dump), int, keep=False)
    clock.now += 3.0
    writer.offer(State(2, NAME, 2, pickle.dump), int, keep=False)
    writer.wait()
    assert restored(tmp_path / "checkpoint") == (1, 1)


def test_state_is_saved_as_it_was_although_training_goes_on_to_change_it(tmp_path: Path, make_run: Any) -> None:
    run, disk, weights = make_run(epoch=1), Disk(), np.zeros(3)
    run.save(NAME, {"weights": weights}, disk.dump)
    weights += 1.0
    assert restored(tmp_path / "checkpoint") is None  # training did not wait for it
    disk.free.set()
    run.close()
    epoch, state = restored(tmp_path / "checkpoint") or (0, {})
    assert (epoch, state["weights"].tolist()) == (1, [0.0, 0.0, 0.0])


def test_next_copy_is_made_only_when_the_one_before_is_written(
    tmp_path: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, disk, before = make_run(epoch=1), Disk(), []
    disk.free_once_waited_for(monkeypatch)

    def copy(state: int) -> int:
        before.append(restored(tmp_path / "checkpoint"))
        return state

    run.save(NAME, 1, disk.dump, copy=copy)
    run.epoch = 2
    run.save(NAME, 2, pickle.dump, copy=copy)
    assert before == [None, (1, 1)]


@pytest.mark.parametrize("last", [True, None])
def test_last_state_is_saved_before_the_training_ends(tmp_path: Path, make_run: Any, last: bool | None) -> None:
    run = make_run(checkpoint_every=1e6)
    for epoch in (1, 2, 3):
        run.epoch = epoch
        run.save(NAME, epoch, pickle.dump, last=last and epoch == 3)
    assert restored(tmp_path / "checkpoint") == ((3, 3) if last else None)
    run.finish()
    assert restored(tmp_path / "checkpoint") == (3, 3)


def test_state_of_an_earlier_epoch_is_not_taken_for_the_last(tmp_path: Path, make_run: Any) -> None:
    run = make_run(checkpoint_every=1e6, epoch=1)
    run.save(NAME, 1, pickle.dump)
    run.epoch = 2  # its state is not handed over, and training has changed that of epoch 1
    run.finish()
    assert restored(tmp_path / "checkpoint") is None


@pytest.mark.parametrize("how", ["pause", "stop file"])
def test_run_that_is_to_end_saves_its_state_first(tmp_path: Path, make_run: Any, how: str) -> None:
    saved: list[int] = []
    stop, until = (tmp_path / "stop", None) if how == "stop file" else (None, 2)
    run = make_run(checkpoint_every=1e6, epoch=1, stop_file=stop, until=until, on_saved=lambda: saved.append(run.epoch))
    run.save(NAME, 1, pickle.dump)
    run.epoch = 2
    if stop:
        stop.touch()
    with pytest.raises(Preempted):
        run.save(NAME, 2, pickle.dump)
    assert restored(tmp_path / "checkpoint") == (2, 2)
    assert saved == [1, 2]  # progress for the watchdog, saved or not


def test_run_without_the_engine_saves_every_state_at_once(tmp_path: Path, make_run: Any) -> None:
    run = make_run(checkpoint_every=None)
    for epoch in (1, 2):
        run.epoch = epoch
        run.save(NAME, epoch, pickle.dump)
        assert restored(tmp_path / "checkpoint") == (epoch, epoch)


@pytest.mark.parametrize("where", ["the next save", "a checkpoint", "the end"])
def test_full_disk_in_the_thread_is_told_by_the_next_call(
    make_run: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    run = make_run(epoch=1)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    calls: dict[str, Callable[[], Any]] = {
        "the next save": lambda: run.save(NAME, 2, pickle.dump),
        "a checkpoint": lambda: run.checkpoint().__enter__(),
        "the end": run.finish,
    }
    monkeypatch.setattr(os, "fsync", full)
    run.save(NAME, 1, pickle.dump)
    for _ in range(2):  # once told, it is not forgotten
        with pytest.raises(Unwritable, match="no space is left on the device"):
            calls[where]()


def test_error_of_the_dump_is_told_with_its_place(make_run: Any) -> None:
    def broken(state: Any, file: BinaryIO) -> None:
        raise TypeError("cannot be written")

    run = make_run(epoch=1)
    run.save(NAME, 1, broken)
    with pytest.raises(TypeError, match="cannot be written") as raised:
        run.finish()
    assert raised.traceback[-1].name == "broken"


def test_checkpoint_of_files_follows_a_state_under_way(
    tmp_path: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, disk = make_run(epoch=1), Disk()
    disk.free_once_waited_for(monkeypatch)
    run.save(NAME, 1, disk.dump)
    with run.checkpoint() as folder:
        (folder / NAME).write_bytes(pickle.dumps("files"))
    assert restored(tmp_path / "checkpoint") == (1, "files")


def test_deleted_checkpoints_do_not_come_back(tmp_path: Path, make_run: Any) -> None:
    for moment in ("before its file", "within its file"):
        run, disk = make_run(epoch=1), Disk()
        start = threading.Thread.start

        def delayed(thread: threading.Thread, start: Any = start) -> None:
            CheckpointFolder(tmp_path / "checkpoint").delete()
            start(thread)

        if moment == "before its file":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(threading.Thread, "start", delayed)
                run.save(NAME, 1, pickle.dump)
        else:
            run.save(NAME, 1, disk.dump)
            disk.reached.wait()
            CheckpointFolder(tmp_path / "checkpoint").delete()
            disk.free.set()
        run.close()
        assert list(tmp_path.iterdir()) == [], moment
