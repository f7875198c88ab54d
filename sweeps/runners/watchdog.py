"""Watchdogs: end a job that makes no progress.

A worker's process is ended by Python's watchdog thread (`Exit`). The inline runner's process is the driver's own, so
there the main thread is interrupted by an alarm signal instead (`Alarm`).
"""

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

HANG = "hang.txt"  # in a trial's folder: the stacks of its threads, written when its process is ended for a hang


class Hung(BaseException):
    """Raised inside a workload that has made no progress for too long."""


class GraceOver(BaseException):
    """Raised inside a workload when an interrupted study's grace for finishing the epoch is over."""


class Watch:
    """The interface of a watchdog; this one watches nothing."""

    def progress(self) -> None:
        """Restart the timer: an epoch has ended, or a checkpoint was saved."""

    def close(self) -> None:
        """Stop the timer: the job has ended."""


class Exit(Watch):
    """Ends this process after a time without progress and leaves the stacks of its threads in a file.

    `faulthandler`'s watchdog thread does not need the interpreter lock, so it also ends a process that hangs inside a
    library. It cannot run Python code either: the next process of the trial reads the file and reports the timeout.

    Args:
        folder: The trial's folder, in which the file is written.
        seconds: The longest time without progress.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self._path, self._seconds = folder / HANG, seconds
        self._file: TextIO | None = None

    def progress(self) -> None:
        """Restart the timer."""
        # The watchdog writes to the file's descriptor, so the file is opened beforehand and stays open and empty.
        self._file = self._file or self._path.open("w", encoding="utf-8")
        faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._file)

    def close(self) -> None:
        """Stop the timer and remove the empty file."""
        # In this order: a watchdog that fires in between would write to a closed descriptor, or to another file's.
        faulthandler.cancel_dump_traceback_later()
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)


class Alarm(Watch):
    """Interrupts the main thread after a time without progress, or when a grace period is over. A context manager.

    A process has one interval timer, so the earlier of the two moments is set. Python runs signal handlers in the main
    thread only: used in another thread, an alarm watches nothing. A library that never returns to Python is not
    interrupted.

    Attributes:
        rang: Whether GraceOver has been raised.
    """

    def __init__(self) -> None:
        self.rang = False
        self._seconds: float | None = None
        self._hung_at: float | None = None
        self._over_at: float | None = None
        self._main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Alarm:
        if self._main:
            self._previous_handler = signal.signal(signal.SIGALRM, self._ring)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._main:
            # The timer first: an alarm after the default handler is back would kill the process.
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._previous_handler)

    def watching(self, seconds: float | None) -> Alarm:
        """Set the longest time without progress for the next job (None: no limit) and return the alarm."""
        self._seconds = seconds
        return self

    def progress(self) -> None:
        """Restart the timer."""
        self._hung_at = None if self._seconds is None else time.monotonic() + self._seconds
        self._set()

    def close(self) -> None:
        """Stop the timer of the job; a grace period that was begun goes on."""
        self._hung_at = None
        self._set()

    def interrupt(self, grace_s: float) -> None:
        """Raise GraceOver in the main thread in `grace_s` seconds, whatever runs then."""
        self._over_at = time.monotonic() + grace_s
        self._set()

    def _set(self) -> None:
        moments = [moment for moment in (self._hung_at, self._over_at) if moment is not None]
        if self._main:
            # A moment that has passed is set to 1 ms from now, for 0 would switch the timer off.
            signal.setitimer(signal.ITIMER_REAL, max(0.001, min(moments) - time.monotonic()) if moments else 0)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._over_at is not None and now >= self._over_at:
            self.rang = True
            raise GraceOver
        if self._hung_at is not None and now >= self._hung_at:
            self._hung_at = None  # once: the exception must not be raised again while it is being handled
            raise Hung
        # The alarm was pending when progress moved the moment on, or the timer was a little ahead of the clock.
        self._set()


def hung(folder: Path) -> str:
    """Return where the previous process of a trial hung, and forget it; "" where it did not hang.

    Args:
        folder: The trial's folder.
    """
    path = folder / HANG
    try:
        stacks = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    path.unlink(missing_ok=True)
    return stacks


def was_hung(folder: Path) -> bool:
    """Return whether the previous process of a trial was ended for a hang that has not been reported yet."""
    # A process that died otherwise leaves the file, too, but empty: the watchdog never wrote to it.
    path = folder / HANG
    return path.exists() and path.stat().st_size > 0


def timed_out(job: Job, stacks: str) -> Outcome:
    """Return the outcome of a job that hung; `stacks` go to the trial's log."""
    # A study that is resumed without the limit may still find the file of a hang from before.
    limit = "within the earlier trial_timeout" if job.timeout_s is None else f"for {job.timeout_s:g} s (trial_timeout)"
    return Outcome(Status.FAILED, f"timeout: no progress {limit}", stacks)
