"""The folder for Ray's logs and sockets."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from pathlib import Path

from sweeps.io.disk import Unwritable
from sweeps.runners.protocol import RunnerError

LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107  # bytes: what macOS and Linux allow for a socket's path
# What Ray puts below the folder, with the longest process id.
BELOW = "ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1"
LONGEST = LONGEST_SOCKET - len(f"/{BELOW}")
VARIABLE = "RAY_TMPDIR"
FULL = (errno.ENOSPC, errno.EDQUOT)
PROBE_BYTES = 1 << 20


def temp_dir() -> Path:
    """Return the folder that Ray uses: `$RAY_TMPDIR`, or the system's, or /tmp where the path of that is too long.

    Raises:
        RunnerError: `$RAY_TMPDIR` is too long, or no folder can be written.
        Unwritable: The folder is full.
    """
    given = os.environ.get(VARIABLE)
    if given:
        folder = Path(given)
        if _length(folder) > LONGEST:
            raise RunnerError(
                f"{VARIABLE} may have {LONGEST} bytes at most, for Ray's sockets below it, but has {_length(folder)}: "
                f"{folder}; set it to a shorter path"
            )
    else:
        folder = next((each for each in _usual() if _length(each) <= LONGEST), Path("/tmp"))
    _require_room(folder)
    return folder / "ray"


def _usual() -> list[Path]:
    return [Path(each) for name in ("TMPDIR", "TEMP", "TMP") if (each := os.environ.get(name)) and Path(each).is_dir()]


def _length(folder: Path) -> int:
    return len(os.fsencode(folder.absolute()))


def _require_room(folder: Path) -> None:
    """Write a file as a test: Ray itself would wait for a minute for a socket that does not appear."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix="sweep-") as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
    except OSError as error:
        if (full := Unwritable.explaining(error, folder, 1 << 20)) is not None and not isinstance(
            error, PermissionError
        ):
            raise full from error
        raise RunnerError(
            f"Ray cannot use {folder} for its logs and sockets ({error.strerror}); set {VARIABLE} to a folder that "
            f"can be written, of at most {LONGEST} bytes"
        ) from error
