"""The process of the command line: its exit codes and its end."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

from sweeps.io.errors import GO_ON
from sweeps.io.screen import drawn

COMPLETE, FAILED, BAD_INPUT, RESUMABLE, INTERRUPTED = 0, 1, 2, 75, 130
JSON_OPTION = "--json"
ERROR = "error:"


class Reached:
    """How far a study has come that a signal stopped, in words; empty where no study had begun."""

    def __init__(self) -> None:
        self.text = ""


reached = Reached()


def stopped_lines(signal_name: str, words: Sequence[str]) -> str:
    """Return the last lines after a signal: what was reached, and below it the command that goes on.

    Args:
        signal_name: The signal.
        words: The words of this command line. `--fresh` is left out: it would begin anew.
    """
    if not reached.text:
        return f"stopped by {signal_name}; {GO_ON}"
    from sweeps.io.screen.sentence import wrapped  # which the study that was stopped has loaded

    line = f"stopped by {signal_name}: {reached.text}; go on with:"
    lines = wrapped(line, os.get_terminal_size(2).columns) if os.isatty(2) else [line]
    command = shlex.join(["sweep", *(word for word in words if word != "--fresh")])
    return "\n".join([*lines, f"  {command}"])


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
    say(f"stopped at once; {GO_ON}", drawn.erasing())
    end(INTERRUPTED)


def say(line: str, before: bytes = b"") -> None:
    """Write a line to standard error, past all buffers: a signal may have interrupted a write."""
    with suppress(OSError):
        os.write(2, before + f"{line}\n".encode())


def tell(message: str, code: int, kind: str = ERROR) -> None:
    """Write an error to standard error, and with --json to standard output, as an object with `error` and `exit_code`.

    Args:
        message: What went wrong.
        code: The exit code with which the process is about to end.
        kind: What the line on standard error begins with.
    """
    say(f"{kind} {message}".lstrip())
    _print_object(message if kind == ERROR else f"{kind} {message}".lstrip(), code)


@contextmanager
def telling_usage_errors() -> Iterator[None]:
    """With --json, write errors in the words of a command to standard output too, before typer tells of them."""
    try:
        yield
    except Exception as error:
        # By its methods, because the class belongs to click or to typer's own copy of click, by typer's version.
        describe, code = getattr(error, "format_message", None), getattr(error, "exit_code", None)
        if describe is not None and code is not None:
            _print_object(describe(), code)
        raise


def _print_object(message: str, code: int) -> None:
    if JSON_OPTION in sys.argv[1:]:
        sys.stdout.write(json.dumps({"error": message, "exit_code": code}, indent=2) + "\n")
        sys.stdout.flush()
