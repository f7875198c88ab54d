"""What moves while a command works: a line on a terminal, and elsewhere a line for each phase that takes long."""

from __future__ import annotations

import io
import re
import threading

import pytest
from rich.console import Console
from rich.text import Text

from sweeps.io.screen.view import LiveView
from sweeps.io.screen.working import elapsed, working


class Paper(io.StringIO):
    """Text in memory that tells when something was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        done = super().write(text)
        self.written.set()
        return done


def terminal(width: int) -> Console:
    """A terminal of `width` columns whose content is text in memory."""
    return Console(file=Paper(), force_terminal=True, force_interactive=True, width=width, color_system=None)


def content(console: Console) -> str:
    assert isinstance(console.file, Paper)
    return console.file.getvalue()


def test_on_a_terminal_the_phase_and_its_seconds_are_shown_and_erased() -> None:
    console = terminal(60)
    with working("reading the \x1b[31mstudy", console=console):
        pass
    assert re.search(r"reading the \ufffd\[31mstudy … \d s", content(console))
    with working("reading the study", console=console) as phase:
        phase("writing the report")
    assert re.search(r"writing the report … \d s", content(console))
    assert content(console).endswith("\x1b[?25h\r\x1b[1A\x1b[2K")  # the cursor is back, the line is gone


def test_line_is_erased_where_the_work_fails() -> None:
    console = terminal(60)
    with pytest.raises(ValueError, match="no data"), working("reading", console=console):
        raise ValueError("no data")
    assert content(console).endswith("\x1b[?25h\r\x1b[1A\x1b[2K")


def test_off_a_terminal_a_phase_that_takes_long_is_a_line() -> None:
    paper = Paper()
    with working("measuring", console=Console(file=paper), long_s=0):
        assert paper.written.wait(60)
    assert paper.getvalue() == "measuring …\n"


def test_off_a_terminal_short_phases_are_silent_and_so_is_quiet() -> None:
    short, quiet = Paper(), terminal(60)
    with working("reading", console=Console(file=short)) as phase:
        phase("writing")
    with working("reading", console=quiet, quiet=True) as phase:
        phase("writing")
    assert short.getvalue() == content(quiet) == ""


def test_view_that_the_terminal_has_wrapped_is_erased_whole() -> None:
    console = terminal(60)
    view = LiveView(console, lambda: Text("a" * 50 + "\n" + "b" * 20))
    with view:
        view.refresh()
        console.width = 20
        view.refresh()
        # 50 columns are three rows of 20, and 20 one: the cursor goes up three rows, and erases all below.
        assert "\r\x1b[3A\x1b[J" in content(console)
        erased = content(console).count("\x1b[J")
        view.refresh()
        assert content(console).count("\x1b[J") == erased


@pytest.mark.parametrize(("seconds", "shown"), [(0.9, "0 s"), (59.9, "59 s"), (125, "2 min 05 s")])
def test_elapsed_time_is_in_whole_seconds(seconds: float, shown: str) -> None:
    assert elapsed(seconds) == shown
