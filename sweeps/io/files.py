"""Write files so that a kill leaves either the old content or the new one, never a part."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomic(path: Path, text: str) -> None:
    """Replace the file `path` by one with `text` in UTF-8, and flush it to disk.

    The steps are: temporary file, fsync, rename, fsync of the folder.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", text=False)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # without it the name may reach the disk before the content
        temporary.chmod(0o644)  # mkstemp makes the file private
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_path(path.parent)


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
