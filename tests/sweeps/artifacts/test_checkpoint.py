"""Checkpoints: atomic, and replaced by the previous one if damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
