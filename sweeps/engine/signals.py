"""Signals that ask a process to stop: the first one stops it in good order, a later one at once.

Which signals belong to one request is a matter of time, for nothing else tells them apart: `timeout` signals its child
and then its whole group, `srun`, `uv run` and terminals pass on what the group has received already, and a service
manager sends SIGTERM and SIGHUP in a row. So whatever arrives within `SAME_REQUEST_S` of the first signal is part of
the first request; any signal after that means "at once".

SIGINT and SIGHUP stay ignored where they were inherited as ignored: that is how a shell shields its background jobs
from Ctrl-C, and `nohup` a command from the end of its terminal. SIGTERM and SIGUSR1 are always heard, since whoever
sends them means this process.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from sweeps.io.machine import require_supported

require_supported()  # Windows does not have these signals
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
SAME_REQUEST_S = 1.0
MAY_BE_IGNORED = (signal.SIGINT, signal.SIGHUP)
IMPORT_S = 15.0  # an import that takes longer is interrupted
POLL_S = 0.02

Respond = Callable[[signal.Signals], None]


class Stopped(BaseException):
    """A signal asked for the end outside the stages, which end by themselves; the text is the signal's name."""


def interrupt(number: signal.Signals) -> NoReturn:
    """Raise KeyboardInterrupt: how a second request ends a study that another program runs."""
    raise KeyboardInterrupt


class StopSignals:
    """The signals of `STOPPING`, handled from `install` on.

    The first one raises Stopped in the main thread, or calls what `gracefully` was given. A library may swallow the
    exception, so `first` is kept, and `check` raises again.

    Args:
        at_once: What a second request does.
        sigint: What SIGINT raises outside the stages, where other signals raise Stopped.
        clock: Returns seconds.

    Attributes:
        first: The first signal that arrived.
    """

    def __init__(
        self,
        at_once: Respond = interrupt,
        sigint: type[BaseException] = KeyboardInterrupt,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.first: signal.Signals | None = None
        self._first_at = 0.0
        self._at_once, self._sigint, self._clock = at_once, sigint, clock
        self._respond: Respond = self._stop
        self._postponed = self._raised = False
        self._former: dict[signal.Signals, Any] = {}

    def install(self) -> None:
        """Handle the signals from now on, also where a library has put handlers of its own in place."""
        for number in STOPPING:
            handler = signal.getsignal(number)
            if number in MAY_BE_IGNORED and handler is signal.SIG_IGN:
                continue
            self._former.setdefault(number, handler)
            # Even if Python believes its own handler to be in place: a C library may have replaced it.
            signal.signal(number, self.receive)

    def restore(self) -> None:
        """Put the former handlers back."""
        for number, handler in self._former.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def ignore(self) -> None:
        """Ignore all signals from now on: the end has been reached, and how it was reached stands."""
        self._respond = self._at_once = lambda number: None

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        """Handle a signal."""
        if self.first is None:
            self.first, self._first_at = signal.Signals(number), self._clock()
        elif self._postponed:
            self._postponed = False
            if self._raised:
                return
        elif self._clock() - self._first_at < SAME_REQUEST_S:
            return
        else:
            self._at_once(signal.Signals(number))
            return
        self._respond(self.first)

    def check(self) -> None:
        """Raise Stopped if a signal has arrived."""
        if self.first is not None:
            self._raised = True
            raise self._exception(self.first)

    @contextmanager
    def gracefully(self, stop: Respond) -> Iterator[None]:
        """Let the first signal call `stop` within the block. Raises Stopped if one has arrived before."""
        self._respond = stop
        try:
            self.install()
            self.check()
            yield
        finally:
            self._respond = self._stop

    def _stop(self, number: signal.Signals) -> None:
        # An exception inside an import may come out as another one, or as a traceback that C code prints.
        if _imports(sys._getframe()) and self._clock() - self._first_at < IMPORT_S:
            threading.Thread(target=self._stop_after_import, args=(number,), daemon=True).start()
            return
        self.check()

    def _exception(self, number: signal.Signals) -> BaseException:
        return (self._sigint if number is signal.SIGINT else Stopped)(number.name)

    def _stop_after_import(self, number: signal.Signals) -> None:
        main = threading.main_thread().ident
        assert main is not None
        while self._clock() - self._first_at < IMPORT_S and _imports(sys._current_frames().get(main)):
            time.sleep(POLL_S)  # Python has no event for the end of an import
        self._postponed = True
        signal.pthread_kill(main, number)


class _Unheard(StopSignals):
    """Handles nothing: Python allows signal handlers in the main thread only."""

    def install(self) -> None:
        """Do nothing. The caller stops a study in another thread by other means."""


_listening: StopSignals | None = None


def listen(signals: StopSignals | None) -> None:
    """Let `signals` handle this process's signals until further notice; None ends that."""
    global _listening
    if signals is not None:
        signals.install()
    _listening = signals


@contextmanager
def listening() -> Iterator[StopSignals]:
    """Handle the stopping signals within the block, as part of what handles them already. Yields what handles them."""
    if threading.current_thread() is not threading.main_thread():
        yield _Unheard()
        return
    if _listening is not None:
        yield _listening
        return
    signals = StopSignals()
    listen(signals)
    try:
        yield signals
    finally:
        listen(None)
        signals.restore()


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported in `frame` or in one of its callers."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
