"""A lease on a file of a network file system, where locks may reach no further than one machine.

The holder writes a growing number, the beat, into the file. A process on the same host sees from the boot id, the
process id and the start of that process whether the holder is gone. A process on another host watches whether the beat
still grows. Clocks of two machines are never compared.

A process that takes over the lease of a dead holder first creates a claim, a file that is named after that holder. Of
several processes one succeeds in that, and only it replaces the lease, if this is still the dead holder's. A process
that dies in between leaves its claim, which is taken over in the same way.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from sweeps.io.files import write_atomic

BEAT_S = 10.0
PROCESSES = Path("/proc")
POLL_S = 0.05  # while another process takes a lease over, which takes a moment
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
        while not self._created(self._path):
            dead = self._dead_holders()
            if dead and self._took_over(dead):
                break
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._is_mine():
            self._path.unlink(missing_ok=True)

    def _created(self, path: Path) -> bool:
        """Create a file that names this process; False if it exists already."""
        try:
            # O_EXCL is atomic on network file systems too, so only one of two processes succeeds.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(self._holder.plain()) + "\n")
        return True

    def _dead_holders(self) -> list[tuple[Path, Holder | None]]:
        """Return the lease and the claims on it, each with its dead holder; empty if one of them has just changed.

        Raises:
            Taken: The holder is alive, or a process that is taking the lease over does not get done.
        """
        dead = list[tuple[Path, Holder | None]]()
        path = self._path
        while path.exists():
            other = Holder.read(path)
            if not self._is_dead(path, other):
                return []
            dead.append((path, other))
            path = _claim(path, other)
        return dead

    def _took_over(self, dead: list[tuple[Path, Holder | None]]) -> bool:
        """Replace the lease of a dead holder; False if another process was faster.

        Args:
            dead: What `_dead_holders` returned.
        """
        claim = _claim(*dead[-1])
        if not self._created(claim):
            return False
        try:
            # The claim alone says nothing: another process may have taken the lease over and removed its own claim
            # since the dead holder was read. Its lease is seen here.
            if any(not path.exists() or Holder.read(path) != other for path, other in dead):
                return False
            write_atomic(self._path, json.dumps(self._holder.plain()) + "\n")
            for path, _ in dead[1:]:
                path.unlink(missing_ok=True)
            return True
        finally:
            claim.unlink(missing_ok=True)

    def _is_dead(self, path: Path, other: Holder | None) -> bool:
        """Whether the holder of the lease, or of a claim, has ended or missed its beats for `watch_s` seconds.

        False if the file has changed meanwhile. Raises Taken if the holder is alive.
        """
        is_claim, began = path != self._path, time.monotonic()
        here = other is not None and other.host == socket.gethostname()
        while Holder.read(path) == other and path.exists():
            if other is not None and other.gone():
                return True
            over = time.monotonic() - began >= self._watch_s
            if here and (over or not is_claim):
                raise Taken  # `gone` has looked at the process itself
            if over:
                return True
            self._over.wait(POLL_S if is_claim else min(self._beat_s, self._watch_s) / 2)
        if not is_claim and path.exists():
            raise Taken
        return False

    def _renew(self) -> None:
        """Write the beat into the lease file until the lease ends."""
        renewed = self._holder
        while not self._over.wait(self._beat_s):
            if not self._is_mine():
                # This process was silent for too long, and another one has taken the lease. Two drivers must not go on.
                os.kill(os.getpid(), signal.SIGTERM)
                return
            renewed = replace(renewed, beat=renewed.beat + 1)
            with suppress(OSError):  # the next beat may get through: without any, another process takes the lease
                write_atomic(self._path, json.dumps(renewed.plain()) + "\n")

    def _is_mine(self) -> bool:
        holder = Holder.read(self._path)
        return holder is not None and holder.token == self._holder.token


def _claim(path: Path, dead: Holder | None) -> Path:
    """Return the file by which a process claims `path` from a dead holder. Another holder has another one."""
    token = dead.token if dead is not None else ""
    return path.with_name(f"{path.name}.{hashlib.sha256(token.encode()).hexdigest()[:8]}")


def boot_id() -> str:
    """Return the id of the current boot of this machine; "" if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def start_of(pid: int) -> str:
    """Return when a process of this machine started, in clock ticks since the boot; "" if there is no such process.

    Without `/proc`, as on macOS, it is "unknown" for every process.
    """
    if not PROCESSES.exists():
        return "unknown" if _exists(pid) else ""
    try:
        # The second field is the program's name in brackets, which may contain blanks and brackets itself.
        return (
            (PROCESSES / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        )
    except (OSError, IndexError):
        return ""


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
