"""Say on stderr what a command is doing: a line that moves on a terminal, elsewhere a line for what takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from sweeps.io.errors import visible
from sweeps.io.screen.sentence import Sentence
from sweeps.io.screen.view import LiveView

LONG_S = 10.0  # off a terminal, shorter phases are not worth a line
FRAMES = "|/-\\"


@contextmanager
def working(
    doing: str, *, quiet: bool = False, console: Console | None = None, long_s: float = LONG_S
) -> Iterator[Callable[[str], None]]:
    """Show what the block is doing, until it ends.

    Args:
        doing: Its first phase, such as "reading the study".
        quiet: Whether to show nothing.
        console: Where to show it; by default stderr.
        long_s: Off a terminal, a phase that takes longer than these seconds is a line.

    Yields:
        A function that takes the next phase.

    Example:
        >>> with working("reading the study") as phase:
        ...     results = load(name)
        ...     phase("writing the report")
    """
    console = console or Console(stderr=True)
    if quiet or console.is_jupyter:
        yield lambda doing: None
    elif console.is_terminal:
        line = _StatusLine(doing)
        with LiveView(console, line.text):
            yield line.begin
    else:
        lines = _LongPhases(console, long_s)
        lines.begin(doing)
        try:
            yield lines.begin
        finally:
            lines.end()


def elapsed(seconds: float) -> str:
    """Format whole seconds: "12 s", "2 min 05 s"."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class _StatusLine:
    """The line of a terminal: a mark that turns, the phase and its seconds."""

    def __init__(self, doing: str) -> None:
        self.begin(doing)

    def begin(self, doing: str) -> None:
        self._doing, self._began = doing, time.monotonic()

    def text(self) -> Sentence:
        seconds = time.monotonic() - self._began
        frame = FRAMES[int(4 * seconds) % len(FRAMES)]
        line = f"{frame} {visible(self._doing)} … {elapsed(seconds)}"
        return Sentence(Text(line, style="dim"))


class _LongPhases:
    """Prints a phase as a line once it has taken long."""

    def __init__(self, console: Console, long_s: float) -> None:
        self._console, self._long_s = console, long_s
        self._timer: threading.Timer | None = None

    def begin(self, doing: str) -> None:
        self.end()
        self._timer = threading.Timer(self._long_s, self._print, [f"{visible(doing)} …"])
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
