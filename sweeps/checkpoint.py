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

from sweeps.files import fsync_path, write_atomic

KEEP = 2
MANIFEST = "manifest.json"
REPLACED = ".replaced"  # follows the epoch in the name of a checkpoint that a newer one of the same epoch displaces


@dataclass(frozen=True)
class CheckpointFolder:
    """The folder `checkpoint/` of one trial; each checkpoint in it is a folder named after its epoch."""

    path: Path

    @contextmanager
    def save(self, epoch: int) -> Iterator[Path]:
        """Yield an empty folder; on leaving the block it becomes the checkpoint of `epoch`, atomically.

        If the block raises, nothing changes.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        partial = self.path / f".partial-{epoch:04d}-{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            yield partial
            self._seal(partial, epoch)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        self._prune()

    def restore(self) -> tuple[Path, int] | None:
        """The newest checkpoint whose files match their hashes, with its epoch; None when there is none."""
        for folder in reversed(self._saved()):
            epoch = _intact_epoch(folder)
            if epoch is not None:
                return folder, epoch
        return None

    @staticmethod
    def digest(checkpoint: Path) -> str:
        """The SHA-256 over the names and hashes of a checkpoint's files: equal for equal content."""
        hashes = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))["sha256"]
        return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()

    def _saved(self) -> list[Path]:
        """The sealed checkpoints, oldest first; one that was being replaced comes before its replacement."""
        if not self.path.is_dir():
            return []
        named = [(path.name.removesuffix(REPLACED), path) for path in self.path.iterdir()]
        ordered = [(int(epoch), path.name == epoch, path) for epoch, path in named if epoch.isdigit()]
        return [path for _, _, path in sorted(ordered)]

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

    def _prune(self) -> None:
        for folder in self._saved()[:-KEEP]:
            shutil.rmtree(folder, ignore_errors=True)
        for leftover in self.path.glob(".partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)


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
