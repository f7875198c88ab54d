"""A claim on a file of a network file system, by host and boot: for where locks reach no further than one machine.

The holder writes a growing number into the file. Who comes second on the same host sees from the boot, the process and
its start whether the holder is gone; on another host it watches whether the number still grows. No clock of one machine
is compared with that of another.
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
WATCH_S = 90.0  # nine beats missed, and longer than network file systems keep what they read


class Taken(Exception):
    """Somebody else holds the claim, and is alive."""


@dataclass(frozen=True)
class Holder:
    """Who holds a claim: a process, told from a later one of the same number by its host's boot and its own start."""

    pid: int
    host: str
    since: str
    boot: str = ""
    start: str = ""  # in clock ticks since the boot
    token: str = ""
    beat: int = 0

    @classmethod
    def this(cls) -> Holder:
        """This process."""
        since = datetime.now(UTC).isoformat("T", "seconds")
        return cls(os.getpid(), socket.gethostname(), since, boot_id(), start_of(os.getpid()), uuid.uuid4().hex)

    @classmethod
    def read(cls, path: Path) -> Holder | None:
        """The holder that `path` names; None where it names none."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def plain(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return asdict(self)

    def gone(self) -> bool:
        """Whether it is known from here that the process has ended: on this host only."""
        if self.host != socket.gethostname():
            return False
        return self.boot != boot_id() or self.start != start_of(self.pid)


class Lease:
    """Holds the file at `path` while the block runs. Raises Taken, after up to `watch_s` seconds of watching."""

    def __init__(self, path: Path, beat_s: float = BEAT_S, watch_s: float = WATCH_S) -> None:
        self._path, self._beat_s, self._watch_s = path, beat_s, watch_s
        self._own = Holder.this()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Lease:
        while not self._created():
            self._remove_if_gone()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._is_own():
            self._path.unlink(missing_ok=True)

    def _created(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(self._own.plain()) + "\n")
        return True

    def _remove_if_gone(self) -> None:
        """Take away the claim of a process that is gone. Raises Taken where it is alive."""
        found = Holder.read(self._path)
        if found is None or not found.gone():
            began = time.monotonic()
            while Holder.read(self._path) == found:
                if found is not None and found.host == socket.gethostname():
                    raise Taken  # it is known to be alive
                if time.monotonic() - began >= self._watch_s:
                    break
                self._over.wait(min(self._beat_s, self._watch_s) / 2)
            else:
                raise Taken
        aside = self._path.with_name(f"{self._path.name}.{self._own.token}")
        try:
            self._path.rename(aside)  # of two that do so, one finds nothing
        except FileNotFoundError:
            return
        aside.unlink()

    def _keep(self) -> None:
        held = self._own
        while not self._over.wait(self._beat_s):
            if not self._is_own():  # somebody found it silent for too long: two drivers must not go on
                os.kill(os.getpid(), signal.SIGTERM)
                return
            held = replace(held, beat=held.beat + 1)
            write_atomic(self._path, json.dumps(held.plain()) + "\n")

    def _is_own(self) -> bool:
        found = Holder.read(self._path)
        return found is not None and found.token == self._own.token


def boot_id() -> str:
    """What tells one boot of this machine from another; "" where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def start_of(pid: int) -> str:
    """When a process of this machine began, in ticks since the boot; "" where there is none."""
    try:
        # The name of the program, in brackets, may have blanks and brackets itself.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
