"""The process of the command line: its output streams and its end.

A study outlives the terminal that shows it: what can no longer be shown is dropped, and the exit code remains.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

COMPLETE, FAILED, BAD_INPUT, RESUMABLE, INTERRUPTED = 0, 1, 2, 75, 130
GO_ON = "run the same command again to go on"
NOBODY_READS = (errno.EPIPE, errno.EIO)  # a pipe whose reader has ended; a terminal that was closed
SHOW_CURSOR = b"\x1b[?25h"


class _Unread(io.FileIO):
    """A descriptor that takes what is written to it even after everybody who read it has gone."""

    def write(self, data: Any) -> int:
        """Write bytes; returns how many were written or dropped."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in NOBODY_READS:
                raise
            return memoryview(data).nbytes


def outlive_readers() -> None:
    """Make standard output and standard error survive the end of whoever reads them."""
    sys.stdout, sys.stderr = (_lasting(stream) for stream in (sys.stdout, sys.stderr))


def hide_unraisable(hidden: type[BaseException]) -> None:
    """Print nothing where an exception is raised in a callback of C code, which cannot pass it on."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda args: None if issubclass(args.exc_type, hidden) else hook(args)


def end(code: int) -> NoReturn:
    """End this process and all that it has started, without waiting for anything."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the signal may have come in the middle of a write
            stream.flush()
    with suppress(Exception):  # it may have come in the middle of this very import; then nothing has been started
        import psutil  # type: ignore[import-untyped]

        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                process.kill()
    os._exit(code)


def end_at_once() -> NoReturn:
    """End this process inside a signal's handler. What was recorded is safe, as after SIGKILL."""
    cursor = SHOW_CURSOR if os.isatty(2) else b""  # the live view hides it
    say(f"stopped at once; {GO_ON}", cursor)
    end(INTERRUPTED)


def say(line: str, before: bytes = b"") -> None:
    """Write a line to standard error, past all buffers: a signal may have interrupted a write."""
    with suppress(OSError):
        os.write(2, before + f"{line}\n".encode())


def _lasting(stream: Any) -> Any:
    """Return a stream like `stream` that drops what nobody reads; `stream` itself if it is no file."""
    try:
        raw = _Unread(stream.fileno(), "w", closefd=False)
    except (OSError, ValueError, AttributeError):  # captured by a test, or closed from the start
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=stream.line_buffering
    )
