"""A trial's checkpoints on disk: written atomically, hashed, the last two kept."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from sweeps.io.disk import Unwritable, explained, size_of
from sweeps.io.files import fsync_path, in_use, remove_unused, write_atomic

EVERY_S = 30.0
"""Seconds of training between two checkpoints, unless the study says otherwise; a longer epoch is saved each time."""
KEEP = 2
MANIFEST = "manifest.json"
REPLACED = ".replaced"  # the suffix of a checkpoint that is being replaced by another one of the same epoch
REMOVED = ".removed"  # the suffix of a folder of checkpoints that is being deleted


class HashingFile(io.RawIOBase):
    """A new file that computes the SHA-256 of its content while it is written, from its beginning to its end.

    It has no buffer: after a fork, the end of a child process would write a buffer's content a second time.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Append all of `data`; return its size in bytes."""
        content = memoryview(data).cast("B")
        self._hash.update(content)
        written = 0
        while written < len(content):  # the system may take less than all
            written += self._file.write(content[written:]) or 0
        return written

    def flush_to_disk(self) -> str:
        """Wait until the content is on the disk; return its SHA-256."""
        os.fsync(self._file.fileno())
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class Restored(NamedTuple):
    """An intact checkpoint.

    Attributes:
        refused: The epochs of newer checkpoints that are damaged.
    """

    folder: Path
    epoch: int
    refused: tuple[int, ...] = ()


@dataclass(frozen=True)
class CheckpointFolder:
    """The folder `checkpoint/` of one trial. Each checkpoint in it is a folder named after its epoch."""

    path: Path

    def create(self) -> None:
        """Create the folder. Raises Unwritable if the disk is full or read-only."""
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def save(self, epoch: int) -> Iterator[Path]:
        """Yield an empty folder that becomes the checkpoint of `epoch`, atomically, when the block ends.

        If the block raises, the existing checkpoints stay as they are.

        Raises:
            Unwritable: The disk is full or read-only.

        Example:
            with CheckpointFolder(path).save(epoch=3) as folder:
                torch.save(state, folder / "state.pt")
        """
        self.create()
        with self._sealing(epoch, {}) as partial:
            yield partial

    def write(self, epoch: int, name: str, dump: Callable[[BinaryIO], None]) -> None:
        """Save a checkpoint of one file, which is hashed as it is written and not read again.

        The folder must exist: one that has been deleted meanwhile is not created again.

        Args:
            epoch: The epoch.
            name: The file's name.
            dump: Writes the content, from its beginning to its end: the file cannot seek.

        Raises:
            Unwritable: The disk is full or read-only.
        """
        hashes: dict[str, str] = {}
        with self._sealing(epoch, hashes) as partial:
            hashes[name] = _write_hashed(partial / name, dump)

    def restore(self) -> Restored | None:
        """Return the newest checkpoint whose files match their hashes; None if there is none."""
        refused: list[int] = []
        for folder in reversed(self._saved()):
            epoch = _intact_epoch(folder)
            if epoch is not None:
                return Restored(folder, epoch, tuple(dict.fromkeys(refused)))
            refused.append(_epoch(folder))
        return None

    def newest(self) -> Path | None:
        """Return the newest checkpoint; None if there is none or it is damaged. An older one would be another model."""
        restored = self.restore()
        return restored.folder if restored is not None and not restored.refused else None

    def delete(self) -> None:
        """Delete all checkpoints. What another process or thread is writing here fails, and leaves nothing behind."""
        removed = self.path.with_name(f".{self.path.name}{REMOVED}")
        shutil.rmtree(removed, ignore_errors=True)
        with suppress(OSError):
            self.path.rename(removed)  # from now on the writer's paths lead nowhere
        shutil.rmtree(removed, ignore_errors=True)
        shutil.rmtree(self.path, ignore_errors=True)  # where it could not be renamed

    def keep_newest(self) -> None:
        """Delete all checkpoints except the newest: a finished training never continues from an older one."""
        self._prune(1)

    @staticmethod
    def digest(checkpoint: Path) -> str:
        """Return the SHA-256 over the names and hashes of a checkpoint's files. Equal content has an equal digest."""
        hashes = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))["sha256"]
        return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()

    def _saved(self) -> list[Path]:
        """Return the complete checkpoints, oldest first; one that was being replaced comes before its replacement."""
        if not self.path.is_dir():
            return []
        named = [path for path in self.path.iterdir() if path.name.removesuffix(REPLACED).isdigit()]
        return sorted(named, key=lambda path: (_epoch(path), not path.name.endswith(REPLACED)))

    def _size(self) -> int:
        """Return the size of the newest checkpoint in bytes, an estimate for the next one."""
        saved = self._saved()
        return size_of(saved[-1]) if saved else 0

    @contextmanager
    def _sealing(self, epoch: int, hashes: dict[str, str]) -> Iterator[Path]:
        """Yield an empty folder that becomes the checkpoint of `epoch` when the block ends.

        Args:
            epoch: The epoch.
            hashes: The SHA-256 of the files that the block has flushed to disk itself, by name.
        """
        partial = self.path / f".partial-{epoch:04d}-{os.getpid()}"
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            with in_use(partial):
                yield partial
                self._seal(partial, epoch, hashes)
        except BaseException as error:
            unwritable = Unwritable.explaining(error, self.path, max(size_of(partial), self._size()))
            shutil.rmtree(partial, ignore_errors=True)
            if unwritable is not None:
                raise unwritable from error
            raise
        self._prune(KEEP)

    def _seal(self, partial: Path, epoch: int, hashes: dict[str, str]) -> None:
        """Flush a partial checkpoint, write its manifest, and give it its name."""
        for file in sorted(path for path in partial.rglob("*") if path.is_file()):
            name = file.relative_to(partial).as_posix()
            if name not in hashes:
                hashes[name] = _sha256(file)
                fsync_path(file)
        write_atomic(partial / MANIFEST, json.dumps({"epoch": epoch, "sha256": hashes}, indent=1))
        final = self.path / f"{epoch:04d}"
        # A folder cannot replace another one atomically. The old checkpoint stays restorable under another name until
        # the new one has its name.
        replaced = final.with_name(final.name + REPLACED)
        if final.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            final.rename(replaced)
        partial.rename(final)
        fsync_path(self.path)
        shutil.rmtree(replaced, ignore_errors=True)

    def _prune(self, keep: int) -> None:
        """Delete all but the newest `keep` checkpoints, and what killed processes left."""
        for folder in self._saved()[:-keep]:
            shutil.rmtree(folder, ignore_errors=True)
        for leftover in self.path.glob(".partial-*"):
            remove_unused(leftover, without_locks=True)


def _epoch(folder: Path) -> int:
    return int(folder.name.removesuffix(REPLACED))


def _intact_epoch(folder: Path) -> int | None:
    """Return the epoch of a checkpoint; None if a file is missing or damaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        hashes: dict[str, str] = manifest["sha256"]
        if all(_sha256(folder / name) == digest for name, digest in hashes.items()):
            return int(manifest["epoch"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None


def _write_hashed(path: Path, dump: Callable[[BinaryIO], None]) -> str:
    """Write a file, flush it to disk and return its SHA-256."""
    with HashingFile(path) as file:
        dump(cast(BinaryIO, file))
        return file.flush_to_disk()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
