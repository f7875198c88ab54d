"""Room on disk: whether a write failed for want of it, and what is said then."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeps.io.errors import UserError

WHY = {
    errno.ENOSPC: "no space is left on the device",
    errno.EDQUOT: "the quota is used up",
    errno.EROFS: "it is on a read-only file system",
    errno.EACCES: "this user may not write there",
}
SAID_BY_SQLITE = {"database or disk is full": errno.ENOSPC, "attempt to write a readonly database": errno.EROFS}
PROBE_BYTES = 1 << 20
LEAST_BYTES = 64 << 10  # what a few lines and the pages of a database take


class Unwritable(OSError):
    """A place cannot be written any more; the text says why, how many bytes are needed, and how to go on."""

    @classmethod
    def explaining(cls, error: BaseException, folder: Path, needed: int = LEAST_BYTES) -> Unwritable | None:
        """What `error`, met while writing `needed` bytes into `folder`, comes from; None unless from the disk.

        Libraries that write by themselves hide the system's error: where none is found, a file of up to a mebibyte is
        written to see.
        """
        if isinstance(error, cls):
            return error
        if not isinstance(error, Exception) or isinstance(error, UserError):
            return None
        number = _errno(error) or _tried(folder, needed)
        if number not in WHY:
            return None
        place, needed = _existing(folder), max(needed, LEAST_BYTES)
        return cls(
            f"{folder} cannot be written: {WHY[number]} (at least {in_bytes(needed)} needed, "
            f"{in_bytes(shutil.disk_usage(place).free)} free). What was saved before is intact: make room and run the "
            f"same command again to go on"
        )


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Raise Unwritable in the place of an error in the block that comes from a full or read-only disk."""
    try:
        yield
    except Exception as error:
        unwritable = Unwritable.explaining(error, folder)
        if unwritable is None:
            raise
        raise unwritable from error


def size_of(folder: Path) -> int:
    """The bytes of the files below `folder`."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def in_bytes(number: float) -> str:
    """A number of bytes as people read it: "1.5 MiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"


def _errno(error: BaseException) -> int | None:
    """The system's reason somewhere behind `error`, if it is one of a disk as a whole."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in WHY and seen.errno != errno.EACCES:
            return seen.errno
        said = [number for words, number in SAID_BY_SQLITE.items() if words in str(seen)]
        if said:
            return said[0]
        seen = seen.__cause__ or seen.__context__
    return None


def _tried(folder: Path, needed: int) -> int | None:
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)) as file:
            file.write(bytes(min(max(needed, LEAST_BYTES), PROBE_BYTES)))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno
    return None


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
