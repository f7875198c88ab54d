"""Write files so that a kill leaves either the old content or the new one, never a part.

What a kill leaves are temporary files. A process holds a lock on each one that it is writing. So other processes can
tell which ones nobody will complete, and remove them.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

SUFFIX = ".partial"  # of the temporary files of `write_atomic`
_TEMPORARY = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(SUFFIX)}")
# Version 0.1.0 named them without the suffix. These are the files that it wrote, so that no file of a user's matches.
_TEMPORARY_OF_0_1_0 = re.compile(r"\.[a-z_-]+\.(?:json|yaml|html|md|csv|tex|svg)\.[a-z0-9_]{8}")


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace the file `path` by one with `content`, a text in UTF-8, and flush it to disk.

    The steps are: temporary file, fsync, rename, fsync of the folder. A symbolic link stays, and the file to which it
    leads is replaced. What killed processes left in the folder is removed at the first call for it.
    """
    if path.is_symlink():
        path = path.resolve()
    _remove_leftovers_once(path.parent)
    with _temporary(path) as (temporary, descriptor):
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.fsync(descriptor)  # without it the name may reach the disk before the content
        temporary.replace(path)
    fsync_path(path.parent)


def create_beside(path: Path, suffix: str) -> tuple[Path, int]:
    """Create and open an empty file with a hidden name of its own in the folder of `path`.

    Unlike the files of `tempfile`, it has the permissions that the user's umask gives to any new file, so that a group
    which shares a runs folder can go on with each other's studies.

    Args:
        path: The file that the new one will replace.
        suffix: The end of the new file's name.

    Returns:
        The file, and a descriptor for reading and writing it.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{suffix}")
    return temporary, os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def put_in_place(whole: Path, path: Path) -> None:
    """Give the file `whole` the name `path`, which must not exist. Of several processes one succeeds.

    Raises:
        FileExistsError: There is a file of this name.
    """
    try:
        os.link(whole, path)  # unlike a rename, a link never replaces a file
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from None
        whole.replace(path)


def fsync_path(path: Path) -> None:
    """Flush a file or a folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Keep `remove_unused` of any process from removing the file or folder `path` while the block runs."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def remove_unused(path: Path, *, without_locks: bool = False) -> None:
    """Remove a temporary file or folder, unless a living process uses it.

    Args:
        path: The file or folder.
        without_locks: Whether to remove it also on a file system that has no locks, where nobody can tell.
    """
    if not _used(path, without_locks):
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            path.unlink(missing_ok=True)


def remove_leftovers(folder: Path, *, of_0_1_0: bool = False) -> None:
    """Remove the temporary files that killed processes left in `folder`.

    Args:
        folder: The folder. It need not exist.
        of_0_1_0: Whether to remove those of version 0.1.0 too. Only for folders in which nobody else keeps files.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            known = _TEMPORARY.fullmatch(entry.name) or (of_0_1_0 and _TEMPORARY_OF_0_1_0.fullmatch(entry.name))
            if known and entry.is_file(follow_symlinks=False):
                remove_unused(Path(entry.path))


def _used(path: Path, without_locks: bool) -> bool:
    """Whether a living process uses a temporary file or folder, or may use it."""
    try:
        # A file is opened for writing, because NFS grants no exclusive lock otherwise.
        descriptor = os.open(path, (os.O_RDONLY if path.is_dir() else os.O_RDWR) | os.O_NOFOLLOW)
    except OSError:  # gone, or of another user
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return not without_locks
    finally:
        os.close(descriptor)
    return False


@lru_cache(maxsize=65_536)
def _remove_leftovers_once(folder: Path) -> None:
    # Once per process and folder: a folder may have many files, and this process cleans up after itself.
    remove_leftovers(folder)


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, int]]:
    """Yield a locked temporary file beside `path` and its descriptor; it is removed if it still has its name."""
    while True:
        temporary, descriptor = create_beside(path, SUFFIX)
        _lock(descriptor)
        if os.fstat(descriptor).st_nlink:  # or another process took it for a leftover before it was locked
            break
        os.close(descriptor)
    try:
        yield temporary, descriptor
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    # Without locks, on some network file systems, leftovers are not removed either.
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
