"""The command line `sweep`.

Signals are handled before anything else is imported, and heavy libraries are imported inside the commands, so that help
and error messages appear at once. A signal in the first milliseconds, before Python comes to this file, still ends the
process as the system does: nothing has been begun then.
"""

from __future__ import annotations

import atexit
import signal
import sys

from sweeps.cli import process
from sweeps.cli.streams import make_lasting
from sweeps.io.errors import GO_ON
from sweeps.io.machine import UnsupportedSystem

try:
    from sweeps.engine.signals import STOPPING, Stopped, StopSignals, listen
except UnsupportedSystem as unsupported:
    sys.stderr.write(f"error: {unsupported}\n")
    raise SystemExit(process.BAD_INPUT) from None


def main() -> None:
    """Run the command line; an error of the user's becomes one message on stderr and exit code 2."""

    def at_once(number: signal.Signals) -> None:
        signals.ignore()  # a further signal must not interrupt the end
        process.end_at_once()

    signals = StopSignals(at_once, sigint=Stopped)
    listen(signals)
    atexit.register(_ignore_signals)  # for the last moments of the interpreter
    try:
        make_lasting()
        process.hide_unraisable(Stopped)
        code, message = _run()
    except BaseException:
        if signals.first is None:
            raise
        code, message = process.FAILED, ""  # whatever it is, it came of the signal
    signals.ignore()
    listen(None)
    if signals.first is not None and code != process.COMPLETE:
        process.tell(process.stopped_lines(signals.first.name, sys.argv[1:]), process.RESUMABLE, kind="")
        process.end(process.RESUMABLE)
    if message:
        process.tell(message, code)
    if code == process.RESUMABLE and message:  # Ray's code in this process would wait for the Ray that is gone
        process.end(code)
    raise SystemExit(code)


def _run() -> tuple[int, str]:
    """Run the command; return its exit code, and the error that ended it."""
    from sweeps.io.errors import UserError, visible
    from sweeps.runners.protocol import RunnerLost

    try:
        from sweeps.cli.app import app

        app()
    except SystemExit as end:
        # A workload may end the process when it is imported, with a text as the reason.
        return (end.code or 0, "") if isinstance(end.code, int | None) else (process.FAILED, visible(str(end.code)))
    except UserError as error:
        return process.BAD_INPUT, str(error)
    except RunnerLost as error:
        return process.RESUMABLE, f"{error}; {GO_ON}"
    except OSError as error:  # a full disk, a deleted folder: no traceback, but no mistake of the user's either
        return process.FAILED, visible(str(error))
    return process.COMPLETE, ""


def _ignore_signals() -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
