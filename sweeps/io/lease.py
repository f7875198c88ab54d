"""A lease on a file of a network file system, where locks may reach no further than one machine.

The holder writes a growing number, the beat, into the file. A process on the same host sees from the boot id, the
process id and the start of that process whether the holder is gone. A process on another host watches whether the beat
still grows. Clocks of two machines are never compared.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from sweeps.io.files import write_atomic

BEAT_S = 10.0
WATCH_S = 90.0  # nine beats, and longer than network file systems cache what they have read


class Taken(Exception):
    """Another process holds the lease and is alive."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a lease.

    A process id is used again after a reboot or when the process has ended, so `boot` and `start` belong to it.

    Attributes:
        since: When the process took the lease, as an ISO time in UTC.
        boot: The boot id of the host; "" if the system has none.
        start: When the process started, in clock ticks since the boot.
        token: A random text that no other holder has.
        beat: How often the holder has renewed the lease.
    """

    pid: int
    host: str
    since: str
    boot: str = ""
    start: str = ""
    token: str = ""
    beat: int = 0

    @classmethod
    def this(cls) -> Holder:
        """Describe this process."""
        since = datetime.now(UTC).isoformat("T", "seconds")
        return cls(os.getpid(), socket.gethostname(), since, boot_id(), start_of(os.getpid()), uuid.uuid4().hex)

    @classmethod
    def read(cls, path: Path) -> Holder | None:
        """Read the holder from the file `path`; None if the file is missing or not readable as one."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def plain(self) -> dict[str, Any]:
        """Return the holder as plain data for JSON."""
        return asdict(self)

    def gone(self) -> bool:
        """Whether the process has certainly ended. False for a process of another host."""
        if self.host != socket.gethostname():
            return False
        return self.boot != boot_id() or self.start != start_of(self.pid)


class Lease:
    """Context manager that holds the lease file `path` while its block runs.

    A thread renews the lease. If it finds that another process has taken the lease, it sends SIGTERM to this process.
    """

    def __init__(self, path: Path, beat_s: float = BEAT_S, watch_s: float = WATCH_S) -> None:
        """Prepare the lease without taking it.

        Args:
            path: The lease file. It exists while the lease is held.
            beat_s: Seconds between two renewals.
            watch_s: After how many seconds without a beat a holder on another host counts as dead.
        """
        self._path, self._beat_s, self._watch_s = path, beat_s, watch_s
        self._holder = Holder.this()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Lease:
        """Take the lease. Raises Taken, after up to `watch_s` seconds."""
        while not self._created():
            self._remove_if_gone()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._is_mine():
            self._path.unlink(missing_ok=True)

    def _created(self) -> bool:
        """Create the lease file; False if it exists already."""
        try:
            # O_EXCL is atomic on network file systems too, so only one of two processes succeeds.
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(self._holder.plain()) + "\n")
        return True

    def _remove_if_gone(self) -> None:
        """Remove the lease of a process that has ended. Raises Taken if it is alive."""
        other = Holder.read(self._path)
        if other is None or not other.gone():
            self._watch(other)
        aside = self._path.with_name(f"{self._path.name}.{self._holder.token}")
        try:
            # Renaming instead of deleting: if two processes remove the lease, the second one finds no file and cannot
            # delete the new lease of the first.
            self._path.rename(aside)
        except FileNotFoundError:
            return
        aside.unlink()

    def _watch(self, other: Holder | None) -> None:
        """Return once `other` has missed its beats for `watch_s` seconds. Raises Taken if it is alive."""
        began = time.monotonic()
        while Holder.read(self._path) == other:
            if other is not None and other.host == socket.gethostname():
                raise Taken  # `gone` has looked at the process itself
            if time.monotonic() - began >= self._watch_s:
                return
            self._over.wait(min(self._beat_s, self._watch_s) / 2)
        raise Taken

    def _renew(self) -> None:
        """Write the beat into the lease file until the lease ends."""
        renewed = self._holder
        while not self._over.wait(self._beat_s):
            if not self._is_mine():
                # This process was silent for too long, and another one has taken the lease. Two drivers must not go on.
                os.kill(os.getpid(), signal.SIGTERM)
                return
            renewed = replace(renewed, beat=renewed.beat + 1)
            write_atomic(self._path, json.dumps(renewed.plain()) + "\n")

    def _is_mine(self) -> bool:
        holder = Holder.read(self._path)
        return holder is not None and holder.token == self._holder.token


def boot_id() -> str:
    """Return the id of the current boot of this machine; "" if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def start_of(pid: int) -> str:
    """Return when a process of this machine started, in clock ticks since the boot; "" if there is no such process."""
    try:
        # The second field is the program's name in brackets, which may contain blanks and brackets itself.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
