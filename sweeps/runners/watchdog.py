"""Watches over a job that makes no progress: a worker's process is ended, the driver's own is interrupted."""

from __future__ import annotations

import faulthandler
import signal
import threading
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import TextIO

from sweeps.runners.protocol import Job
from sweeps.trial.trial import Outcome, Status

HANG = "hang.txt"  # where a job hung: the stacks of its threads, written when its process is ended


class Hung(BaseException):
    """Raised inside a workload that has made no progress for too long."""


class GraceOver(BaseException):
    """Raised inside a workload that is to be left, when the time that it had for an epoch's end is over."""


class Watch:
    """Watches nothing; the others do."""

    def progress(self) -> None:
        """An epoch has ended, or a state has been saved."""

    def close(self) -> None:
        """The job has ended."""


class Exit(Watch):
    """Ends this process after `seconds` without progress, whatever it is in, and leaves in `folder` where it was.

    Python's watchdog thread does not need the interpreter: it acts on a hang inside a library, too.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self._path, self._seconds = folder / HANG, seconds
        self._file: TextIO | None = None

    def progress(self) -> None:
        """Begin to count anew."""
        self._file = self._file or self._path.open("w", encoding="utf-8")
        faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._file)

    def close(self) -> None:
        """Watch no more."""
        faulthandler.cancel_dump_traceback_later()
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)


class Alarm(Watch):
    """Interrupts the main thread by the process's alarm: after `seconds` without progress, or when a grace is over.

    Used as a context manager. Elsewhere than in the main thread, where no signal arrives, it watches nothing.
    """

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._hung_at: float | None = None
        self._over_at: float | None = None
        self._main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Alarm:
        if self._main:
            self._before = signal.signal(signal.SIGALRM, self._ring)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._main:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def watching(self, seconds: float | None) -> Alarm:
        """Give the next job `seconds` without progress."""
        self._seconds = seconds
        return self

    def progress(self) -> None:
        """Begin to count anew."""
        self._hung_at = None if self._seconds is None else time.monotonic() + self._seconds
        self._set()

    def close(self) -> None:
        """The job has ended."""
        self._hung_at = None
        self._set()

    def interrupt(self, grace_s: float) -> None:
        """Interrupt whatever runs in so many seconds."""
        self._over_at = time.monotonic() + grace_s
        self._set()

    def _set(self) -> None:
        moments = [moment for moment in (self._hung_at, self._over_at) if moment is not None]
        if self._main:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, min(moments) - time.monotonic()) if moments else 0)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._over_at is not None and now >= self._over_at:
            raise GraceOver
        if self._hung_at is not None and now >= self._hung_at:
            self._hung_at = None
            raise Hung
        self._set()


def hung(folder: Path) -> str:
    """Where the job of `folder` hung when its process was ended for it, told once; "" where none was."""
    path = folder / HANG
    try:
        stacks = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    path.unlink(missing_ok=True)
    return stacks


def was_hung(folder: Path) -> bool:
    """Whether the process of the job of `folder` was ended because it hung, which has not been told yet."""
    path = folder / HANG
    return path.exists() and path.stat().st_size > 0


def timed_out(job: Job, stacks: str) -> Outcome:
    """The outcome of a job that hung."""
    limit = f"{job.timeout_s:g} s" if job.timeout_s is not None else "the trial_timeout of its time"
    return Outcome(Status.FAILED, f"timeout: no progress for {limit} (trial_timeout)", stacks)
