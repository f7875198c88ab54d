"""One driver at a time on a study, and its name for whoever comes second."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sweeps.errors import UserError
from sweeps.files import write_atomic

LOCK = "lock"
HOLDER = "lock.json"
MOMENT_S = 1.0  # for as long `holder` may have the lock, which only looks


class Held(UserError):
    """Another driver runs this study."""


@contextmanager
def driver_lock(folder: Path) -> Iterator[None]:
    """Hold the study in `folder`; the operating system lets go when this process ends, however it ends.

    Raises Held, naming the other driver's process, host and start.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=MOMENT_S)
    except Timeout:
        raise Held(_described(folder)) from None
    try:
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat("T", "seconds"),
        }
        write_atomic(folder / HOLDER, json.dumps(holder) + "\n")
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def holder(folder: Path) -> dict[str, Any] | None:
    """Who runs the study in `folder` now; None when nobody does."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return _read(folder)
    lock.release()
    return None


def _described(folder: Path) -> str:
    known = _read(folder)
    if not known:
        return f"another driver runs the study in {folder}; wait for it or stop it"
    return (
        f"process {known['pid']} on {known['host']} has been running the study in {folder} since {known['since']}; "
        f"wait for it or stop it (sweep status shows how far it is)"
    )


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and {"pid", "host", "since"} <= content.keys() else {}
