"""A trial's checkpoints on disk: whole or absent, hashed, the last two kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sweeps.io.disk import Unwritable, size_of
from sweeps.io.files import fsync_path, write_atomic

KEEP = 2
MANIFEST = "manifest.json"
REPLACED = ".replaced"  # follows the epoch in the name of a checkpoint that a newer one of the same epoch displaces


class Restored(NamedTuple):
    """An intact checkpoint: its folder and its epoch. `refused` has the epochs of newer ones that are damaged."""

    folder: Path
    epoch: int
    refused: tuple[int, ...] = ()


@dataclass(frozen=True)
class CheckpointFolder:
    """The folder `checkpoint/` of one trial; each checkpoint in it is a folder named after its epoch."""

    path: Path

    @contextmanager
    def save(self, epoch: int) -> Iterator[Path]:
        """Yield an empty folder; on leaving the block it becomes the checkpoint of `epoch`, atomically.

        If the block raises, nothing changes. Raises Unwritable where that was for want of room.
        """
        partial = self.path / f".partial-{epoch:04d}-{os.getpid()}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            yield partial
            self._seal(partial, epoch)
        except BaseException as error:
            unwritable = Unwritable.explaining(error, self.path, max(size_of(partial), self._size()))
            shutil.rmtree(partial, ignore_errors=True)
            if unwritable is not None:
                raise unwritable from error
            raise
        self._prune(KEEP)

    def restore(self) -> Restored | None:
        """The newest checkpoint whose files match their hashes; None when there is none."""
        refused: list[int] = []
        for folder in reversed(self._saved()):
            epoch = _intact_epoch(folder)
            if epoch is not None:
                return Restored(folder, epoch, tuple(dict.fromkeys(refused)))
            refused.append(_epoch(folder))
        return None

    def newest(self) -> Path | None:
        """The newest checkpoint, if that one is intact: what a training that has ended left, and nothing before it."""
        restored = self.restore()
        return restored.folder if restored is not None and not restored.refused else None

    def keep_newest(self) -> None:
        """Delete all but the newest checkpoint: nobody goes on from one before the end."""
        self._prune(1)

    @staticmethod
    def digest(checkpoint: Path) -> str:
        """The SHA-256 over the names and hashes of a checkpoint's files: equal for equal content."""
        hashes = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))["sha256"]
        return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()

    def _saved(self) -> list[Path]:
        """The sealed checkpoints, oldest first; one that was being replaced comes before its replacement."""
        if not self.path.is_dir():
            return []
        named = [path for path in self.path.iterdir() if path.name.removesuffix(REPLACED).isdigit()]
        return sorted(named, key=lambda path: (_epoch(path), not path.name.endswith(REPLACED)))

    def _size(self) -> int:
        """The bytes of the newest checkpoint, which the next one will need too."""
        saved = self._saved()
        return size_of(saved[-1]) if saved else 0

    def _seal(self, partial: Path, epoch: int) -> None:
        hashes = {}
        for file in sorted(path for path in partial.rglob("*") if path.is_file()):
            hashes[file.relative_to(partial).as_posix()] = _sha256(file)
            fsync_path(file)
        write_atomic(partial / MANIFEST, json.dumps({"epoch": epoch, "sha256": hashes}, indent=1))
        final = self.path / f"{epoch:04d}"
        # No two folders can be exchanged at once: the one before stays restorable until its replacement has its name.
        replaced = final.with_name(final.name + REPLACED)
        if final.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            final.rename(replaced)
        partial.rename(final)
        fsync_path(self.path)
        shutil.rmtree(replaced, ignore_errors=True)

    def _prune(self, keep: int) -> None:
        for folder in self._saved()[:-keep]:
            shutil.rmtree(folder, ignore_errors=True)
        for leftover in self.path.glob(".partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)


def _epoch(folder: Path) -> int:
    return int(folder.name.removesuffix(REPLACED))


def _intact_epoch(folder: Path) -> int | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        hashes: dict[str, str] = manifest["sha256"]
        if all(_sha256(folder / name) == digest for name, digest in hashes.items()):
            return int(manifest["epoch"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
