"""The process of the command line: its exit codes and its end."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

from sweeps.io.errors import GO_ON

COMPLETE, FAILED, BAD_INPUT, RESUMABLE, INTERRUPTED = 0, 1, 2, 75, 130
SHOW_CURSOR = b"\x1b[?25h"


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
