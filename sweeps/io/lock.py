"""One driver at a time on a study, and its name for whoever comes second."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sweeps.io.errors import UserError
from sweeps.io.files import write_atomic
from sweeps.io.filesystem import on_network
from sweeps.io.lease import Holder, Lease, Taken

LOCK = "lock"
HOLDER = "lock.json"
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})  # how a file system without locks refuses one
MOMENT_S = 1.0  # for as long `holder` may have the lock, which only looks


class Held(UserError):
    """Another driver runs this study."""


@contextmanager
def driver_lock(folder: Path) -> Iterator[None]:
    """Hold the study in `folder`; the operating system lets go when this process ends, however it ends.

    On a network file system, whose locks may reach no further than one machine, the holder is also named in a file that
    it keeps up to date (`sweeps.io.lease`). Raises Held, naming the other driver's process, host and start.
    """
    network = on_network(folder)
    with _system_lock(folder, network), _named(folder, network):
        yield


def holder(folder: Path) -> dict[str, Any] | None:
    """Who runs the study in `folder` now; None when nobody does."""
    if on_network(folder):
        found = Holder.read(folder / HOLDER)
        return found.plain() if found is not None and not found.gone() else None
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return _read(folder)
    lock.release()
    return None


@contextmanager
def _system_lock(folder: Path, network: bool) -> Iterator[None]:
    """Hold the operating system's lock on `folder`, or none where a network file system has none. Raises Held."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=MOMENT_S)
    except Timeout:
        raise Held(_described(folder)) from None
    except (NotImplementedError, OSError) as error:
        # Lustre without its option `flock` and NFS without its lock service refuse every lock: there the claim in
        # `_named` alone keeps a second driver out. Anywhere else, and for any other reason, it is an error.
        if not (network and _has_no_locks(error)):
            raise
    try:
        yield
    finally:
        lock.release()  # does nothing where none was had


def _has_no_locks(error: Exception) -> bool:
    # filelock raises NotImplementedError in the place of ENOSYS.
    return isinstance(error, NotImplementedError) or getattr(error, "errno", None) in NO_LOCKS


@contextmanager
def _named(folder: Path, network: bool) -> Iterator[None]:
    """Name this process in the file beside the lock."""
    if not network:
        write_atomic(folder / HOLDER, json.dumps(Holder.this().plain()) + "\n")
    try:
        with Lease(folder / HOLDER) if network else nullcontext():
            yield
    except Taken:
        raise Held(_described(folder)) from None
    finally:
        if not network:
            (folder / HOLDER).unlink(missing_ok=True)


def _described(folder: Path) -> str:
    known = _read(folder)
    if not known:
        return f"another driver runs the study in {folder}; wait for it or stop it"
    return (
        f"process {known['pid']} on {known['host']} has been running the study in {folder} since {known['since']}; "
        f"wait for it or stop it (sweep status shows how far it is)"
    )


def _read(folder: Path) -> dict[str, Any]:
    found = Holder.read(folder / HOLDER)
    return found.plain() if found is not None else {}
