"""Files are flushed before they are renamed, and durations do not depend on the time of day."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.curves import CurveFile
from sweeps.io.files import write_atomic
from tests.sweeps.support import ROOT


class DiskCalls:
    """Records flushes and renames in order: ("flush", name) and ("rename", new name)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[str, str]] = []
        fsync, rename, replace = os.fsync, Path.rename, Path.replace

        def flushed(descriptor: int) -> None:
            self.done.append(("flush", Path(f"/proc/self/fd/{descriptor}").readlink().name))
            fsync(descriptor)

        def renamed(path: Path, target: Path) -> Path:
            self.done.append(("rename", target.name))
            return rename(path, target)

        def replaced(path: Path, target: Path) -> Path:
            self.done.append(("rename", target.name))
            return replace(path, target)

        monkeypatch.setattr(os, "fsync", flushed)
        monkeypatch.setattr(Path, "rename", renamed)
        monkeypatch.setattr(Path, "replace", replaced)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> DiskCalls:
    return DiskCalls(monkeypatch)


def test_file_is_flushed_before_its_rename_and_its_folder_after(tmp_path: Path, disk: DiskCalls) -> None:
    write_atomic(tmp_path / "record.json", "{}")
    (first, name), *rest = disk.done
    assert (first, name.startswith(".record.json.")) == ("flush", True)
    assert rest == [("rename", "record.json"), ("flush", tmp_path.name)]


def test_checkpoint_is_flushed_before_its_rename_and_its_folder_after(tmp_path: Path, disk: DiskCalls) -> None:
    with CheckpointFolder(tmp_path / "checkpoint").save(3) as folder:
        (folder / "state.pt").write_bytes(b"state")
        (folder / "more").mkdir()
        (folder / "more" / "part.bin").write_bytes(b"part")
    named = disk.done.index(("rename", "0003"))
    before, after = disk.done[:named], disk.done[named + 1 :]
    assert {("flush", "state.pt"), ("flush", "part.bin"), ("rename", "manifest.json"), ("flush", folder.name)} <= {
        *before
    }
    assert before.index(("rename", "manifest.json")) > before.index(("flush", "state.pt"))
    assert after == [("flush", "checkpoint")]


def test_state_that_is_hashed_while_written_is_flushed_before_its_rename_and_its_folder_after(
    tmp_path: Path, disk: DiskCalls
) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoint")
    folder.create()
    folder.write(3, "state.pt", lambda file: file.write(b"state"))
    order = [(act, name) for act, name in disk.done if not name.startswith(".manifest.json.")]
    partial = order[2][1]
    assert order == [
        ("flush", "state.pt"), ("rename", "manifest.json"), ("flush", partial),
        ("rename", "0003"), ("flush", "checkpoint"),
    ]  # fmt: skip


@pytest.mark.parametrize("writer", ["the same", "another"])
def test_every_line_of_a_curve_is_flushed(tmp_path: Path, disk: DiskCalls, writer: str) -> None:
    curve = CurveFile(tmp_path / "curves.csv")
    curve.append(1, {"a": 1.0}, 0.5)
    disk.done.clear()
    curve = curve if writer == "the same" else CurveFile(tmp_path / "curves.csv")
    curve.append(2, {"a": 2.0}, 0.5)
    assert disk.done == [("flush", "curves.csv")]


def test_durations_do_not_use_the_time_of_day() -> None:
    for path in (*(ROOT / "sweeps").rglob("*.py"), *(ROOT / "cifar_sweep").rglob("*.py")):
        calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not {"time.time", "time.time_ns", "datetime.utcnow"} & set(calls), path
