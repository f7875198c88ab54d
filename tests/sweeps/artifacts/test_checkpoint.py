"""Checkpoints: atomic, and replaced by the previous one if damaged."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest
import torch

from sweeps.artifacts import checkpoint
from sweeps.artifacts.checkpoint import CheckpointFolder


def save(folder: CheckpointFolder, epoch: int) -> None:
    with folder.save(epoch) as target:
        (target / "state.bin").write_bytes(bytes([epoch % 256]) * 64)


def content(restored: tuple[Path, int] | None) -> tuple[int, int] | None:
    return restored and (restored[1], (restored[0] / "state.bin").read_bytes()[0])


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoint")


def test_nothing_saved_restores_nothing(folder: CheckpointFolder) -> None:
    assert folder.restore() is None


def test_latest_is_restored_and_two_are_kept(folder: CheckpointFolder) -> None:
    for epoch in (8, 9, 10, 11):
        save(folder, epoch)
    assert content(folder.restore()) == (11, 11)
    assert sorted(path.name for path in folder.path.iterdir()) == ["0010", "0011"]


def test_ten_thousandth_epoch_is_newer_than_the_one_before(folder: CheckpointFolder) -> None:
    for epoch in (9_999, 10_000, 10_001):
        save(folder, epoch)
    restored = folder.restore()
    assert restored is not None
    assert restored[1] == 10_001


def test_failed_save_changes_nothing(folder: CheckpointFolder) -> None:
    save(folder, 1)
    with pytest.raises(FileNotFoundError), folder.save(2) as target:
        (target / "missing" / "state.bin").write_bytes(b"half")
    assert content(folder.restore()) == (1, 1)
    assert [path.name for path in folder.path.iterdir()] == ["0001"]


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "manifest"])
def test_damaged_checkpoint_gives_way_to_the_previous_one(folder: CheckpointFolder, damage: str) -> None:
    save(folder, 1)
    save(folder, 2)
    file = folder.path / "0002" / "state.bin"
    if damage == "flip":
        file.write_bytes(b"\x03" + file.read_bytes()[1:])
    elif damage == "truncate":
        file.write_bytes(file.read_bytes()[:10])
    elif damage == "delete":
        file.unlink()
    else:
        (folder.path / "0002" / "manifest.json").write_text(json.dumps(["not", "a", "manifest"]))
    assert content(folder.restore()) == (1, 1)


def test_partial_folder_of_a_killed_process_is_ignored_and_cleared(folder: CheckpointFolder) -> None:
    save(folder, 1)
    (folder.path / ".partial-0002-999").mkdir()
    assert content(folder.restore()) == (1, 1)
    save(folder, 2)
    assert sorted(path.name for path in folder.path.iterdir()) == ["0001", "0002"]


def test_repeated_epoch_replaces_its_checkpoint(folder: CheckpointFolder) -> None:
    save(folder, 1)
    save(folder, 1)
    assert content(folder.restore()) == (1, 1)


@pytest.mark.parametrize("killed_after", [0, 1])
def test_kill_while_an_epoch_replaces_its_checkpoint_leaves_one_of_the_two(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    save(folder, 0)
    rename, done = Path.rename, []

    def kill(path: Path, target: Path) -> Path:
        if target.parent != folder.path:
            return rename(path, target)
        if len(done) == killed_after:
            raise SystemExit
        done.append(target)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", kill)
    with pytest.raises(SystemExit), folder.save(0) as target:
        (target / "state.bin").write_bytes(b"\x07" * 64)
    monkeypatch.undo()
    assert content(folder.restore()) == (0, 0)
    save(folder, 0)
    assert [path.name for path in folder.path.iterdir()] == ["0000"]


def test_leftover_of_a_replaced_checkpoint_gives_way_to_its_replacement(folder: CheckpointFolder) -> None:
    save(folder, 7)
    (folder.path / "0007").rename(folder.path / "0007.replaced")
    with folder.save(7) as target:
        (target / "state.bin").write_bytes(b"\x08" * 64)
        (folder.path / "0007.replaced").rename(folder.path / "0007")
    assert content(folder.restore()) == (7, 8)


@pytest.mark.parametrize("content", [b"", b"a", bytes(range(256)) * 4096])
def test_file_that_is_hashed_while_it_is_written_passes_the_check(folder: CheckpointFolder, content: bytes) -> None:
    folder.create()
    folder.write(3, "state.bin", lambda file: [file.write(content[:100]), file.write(memoryview(content)[100:])])
    restored = folder.restore()
    assert restored is not None
    assert (restored.epoch, (restored.folder / "state.bin").read_bytes()) == (3, content)
    with folder.save(4) as target:
        (target / "state.bin").write_bytes(content)
    assert folder.digest(folder.path / "0003") == folder.digest(folder.path / "0004")


def test_file_is_not_read_again_to_be_hashed(folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr(checkpoint, "_sha256", read.append)
    folder.create()
    folder.write(1, "state.bin", lambda file: file.write(b"state"))
    assert read == []


@pytest.mark.parametrize("library", ["pickle", "numpy", "joblib", "torch"])
def test_what_libraries_write_is_read_again(folder: CheckpointFolder, library: str) -> None:
    values = np.arange(70_000.0)
    writers: dict[str, Callable[[Any], Any]] = {
        "pickle": lambda file: pickle.dump(values, file),
        "numpy": lambda file: np.savez(file, values=values),
        "joblib": lambda file: joblib.dump(values, file),
        "torch": lambda file: torch.save({"values": torch.from_numpy(values)}, file),
    }
    folder.create()
    folder.write(1, "state", writers[library])
    restored = folder.restore()
    assert restored is not None
    file = restored.folder / "state"
    readers: dict[str, Callable[[], Any]] = {
        "pickle": lambda: pickle.loads(file.read_bytes()),
        "numpy": lambda: np.load(file)["values"],
        "joblib": lambda: joblib.load(file),
        "torch": lambda: torch.load(file)["values"].numpy(),
    }
    assert np.array_equal(readers[library](), values)


def test_deleted_folder_is_not_created_again_by_a_write(folder: CheckpointFolder) -> None:
    save(folder, 1)
    folder.delete()
    with pytest.raises(FileNotFoundError):
        folder.write(2, "state.bin", lambda file: file.write(b"state"))
    assert list(folder.path.parent.iterdir()) == []
