"""The lock of a study's folder: one driver at a time, and a file that names it."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sweeps.io.errors import Refused, UserError
from sweeps.io.files import write_atomic
from sweeps.io.filesystem import on_network
from sweeps.io.lease import Holder, Lease, Taken

LOCK = "lock"
HOLDER = "lock.json"
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})  # how a file system without locks refuses one
MOMENT_S = 1.0  # `holder` takes the lock for a moment to see whether it is free


class Held(UserError):
    """Another driver is running this study."""


@contextmanager
def driver_lock(folder: Path) -> Iterator[None]:
    """Lock the study in `folder` while the block runs. The operating system frees the lock if this process dies.

    On a network file system a lock may reach no further than one machine. There this process also holds a lease file
    (`sweeps.io.lease`).

    Raises:
        Held: Another driver runs the study. The message gives its process, host and start.
    """
    network = on_network(folder)
    with _system_lock(folder, network), _named(folder, network):
        yield


def holder(folder: Path) -> dict[str, Any] | None:
    """Return the driver of the study in `folder` as plain data (see `Holder`); None if no driver is running."""
    if on_network(folder):
        lease_holder = Holder.read(folder / HOLDER)
        return lease_holder.plain() if lease_holder is not None and not lease_holder.gone() else None
    lock = FileLock(_lock_file(folder))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return _named_holder(folder)
    lock.release()
    return None


@contextmanager
def _system_lock(folder: Path, network: bool) -> Iterator[None]:
    """Hold the operating system's lock on `folder`, if its file system has locks. Raises Held."""
    lock = FileLock(_lock_file(folder))
    try:
        lock.acquire(timeout=MOMENT_S)
    except Timeout:
        raise Held(_described(folder)) from None
    except (NotImplementedError, OSError) as error:
        # Lustre without its option `flock` and NFS without its lock service refuse every lock. There the lease in
        # `_named` alone keeps a second driver out. In every other case this is an error.
        if not (network and _has_no_locks(error)):
            raise
    try:
        yield
    finally:
        lock.release()  # does nothing if the file system refused the lock


def _lock_file(folder: Path) -> Path:
    """Return the path of the lock. Raises Refused where a folder is in its place."""
    path = folder / LOCK
    if path.is_dir():
        raise Refused(f"{path} is a folder where the study's lock should be: move it away")
    return path


def _has_no_locks(error: Exception) -> bool:
    # filelock turns ENOSYS into NotImplementedError.
    return isinstance(error, NotImplementedError) or getattr(error, "errno", None) in NO_LOCKS


@contextmanager
def _named(folder: Path, network: bool) -> Iterator[None]:
    """Name this process in the file beside the lock, on a network file system with a lease. Raises Held."""
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
    """Return the message for a second driver."""
    driver = _named_holder(folder)
    if not driver:
        return f"another driver runs the study in {folder}; wait for it or stop it"
    return (
        f"process {driver['pid']} on {driver['host']} has been running the study in {folder} since {driver['since']}; "
        f"wait for it or stop it (sweep status shows how far it is)"
    )


def _named_holder(folder: Path) -> dict[str, Any]:
    """Return the process that the file beside the lock names; empty if it names none."""
    named = Holder.read(folder / HOLDER)
    return named.plain() if named is not None else {}
