"""The last lines of a study that a signal has stopped: what was reached, and the command that goes on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from sweeps.cli.process import reached, stopped_lines
from sweeps.io.screen import Drawn


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Nothing has been reached afterwards: tests share this process."""
    yield
    reached.text = ""


def test_command_to_paste_has_the_given_options_without_fresh() -> None:
    reached.text = "9 of 10 trials"
    words = ["run", "my study.yaml", "--set", "epochs=1", "--fresh", "--workers", "2"]
    line, command = stopped_lines("SIGINT", words).splitlines()
    assert line == "stopped by SIGINT: 9 of 10 trials; go on with:"
    assert shlex.split(command) == ["sweep", "run", "my study.yaml", "--set", "epochs=1", "--workers", "2"]


def test_command_that_had_reached_nothing_is_to_be_run_again() -> None:
    assert stopped_lines("SIGTERM", ["plan", "a.yaml"]) == "stopped by SIGTERM; run the same command again to go on"


def test_view_on_screen_is_erased_where_the_process_ends_at_once() -> None:
    view = Drawn()
    assert view.erasing() == b""
    view.rows = 4
    assert view.erasing() == b"\r\x1b[3A\x1b[J\x1b[?25h"
