"""Explain why a write failed: bytes, inodes, quota, permissions, open files, the length of a name."""

from __future__ import annotations

import errno
import os
import resource
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
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "all processes of this machine have too many open files",
    errno.ENAMETOOLONG: "a name in it is longer than the file system allows",
}
WAY_OUT = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room, or have the quota raised",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EMFILE: "raise the limit (ulimit -n)",
    errno.ENFILE: "end other processes, or have the limit raised (sysctl fs.file-max)",
    errno.ENAMETOOLONG: "choose a shorter name, or a folder with a shorter path",
}
# SQLite hides the system's error number; only its message tells.
SAID_BY_SQLITE = {"database or disk is full": errno.ENOSPC, "attempt to write a readonly database": errno.EROFS}
PROBE_BYTES = 1 << 20
LEAST_BYTES = 64 << 10  # a few lines of text and the pages of a database


class Unwritable(OSError):
    """A folder cannot be written; the message gives the reason, what is used up and what to do."""

    @classmethod
    def explaining(cls, error: BaseException, folder: Path, needed: int = LEAST_BYTES) -> Unwritable | None:
        """Return an explanation of `error` if the disk caused it, else None.

        Libraries may hide the system's error. If none is found behind `error`, a temporary file of up to 1 MiB is
        written into `folder` as a test.

        Args:
            error: The exception that was raised while writing.
            folder: The folder that was written to. It need not exist.
            needed: The size of the failed write in bytes.
        """
        if isinstance(error, cls):
            return error
        if not isinstance(error, Exception) or isinstance(error, UserError):
            return None
        number = _errno_behind(error) or _errno_of_probe(folder, needed)
        if number not in WHY:
            return None
        why, way_out = _because(number, _existing(folder), max(needed, LEAST_BYTES))
        return cls(
            f"{folder} cannot be written: {why}. What was saved before is intact: {way_out} and run the same command "
            f"again to go on"
        )


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn an error of the block that a full or read-only disk caused into Unwritable."""
    try:
        yield
    except Exception as error:
        unwritable = Unwritable.explaining(error, folder)
        if unwritable is None:
            raise
        raise unwritable from error


def size_of(folder: Path) -> int:
    """Return the total size in bytes of the files below `folder`."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def in_bytes(number: float) -> str:
    """Format a number of bytes: "1.5 MiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"


def _because(number: int, place: Path, needed: int) -> tuple[str, str]:
    """Return why `place` cannot be written, with the figures that show it, and what to do."""
    why, way_out = WHY[number], WAY_OUT[number]
    if number == errno.ENOSPC and _without_inodes(place):
        return "no inode is left on the device, which has too many files", "remove files that are not needed"
    if number == errno.ENOSPC:
        why += f" (at least {in_bytes(needed)} needed, {in_bytes(shutil.disk_usage(place).free)} free)"
    elif number == errno.EDQUOT:  # of bytes or of files: what is left of it, the system does not say
        why += f" (at least {in_bytes(needed)} needed)"
    elif number == errno.EMFILE:
        why += f" (limit {resource.getrlimit(resource.RLIMIT_NOFILE)[0]:,})"
    return why, way_out


def _without_inodes(place: Path) -> bool:
    """Whether the file system has a table of inodes, and no entry of it is free for this user."""
    try:
        system = os.statvfs(place)
    except OSError:
        return False
    return system.f_files > 0 and system.f_favail == 0


def _errno_behind(error: BaseException) -> int | None:
    """Return the system's error number in the chain of causes of `error`, if it concerns the whole disk."""
    link: BaseException | None = error
    while link is not None:
        # EACCES may concern one file only. The probe finds out whether the folder itself is writable.
        if isinstance(link, OSError) and link.errno in WHY and link.errno != errno.EACCES:
            return link.errno
        for words, number in SAID_BY_SQLITE.items():
            if words in str(link):
                return number
        link = link.__cause__ or link.__context__
    return None


def _errno_of_probe(folder: Path, needed: int) -> int | None:
    """Write a temporary file to `folder` and return the error number of the failure, if it fails."""
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)) as file:
            file.write(bytes(min(max(needed, LEAST_BYTES), PROBE_BYTES)))
            file.flush()
            os.fsync(file.fileno())  # some file systems report a full disk or quota only here
    except OSError as error:
        return error.errno
    return None


def _existing(folder: Path) -> Path:
    """Return `folder` or its nearest parent that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if os.access(path, os.F_OK))
