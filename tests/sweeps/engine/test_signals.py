"""Signals that ask for the end: what belongs to one request, where the answer may be raised, and what stays ignored."""

from __future__ import annotations

import importlib
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from sweeps.engine.signals import MAY_BE_IGNORED, STOPPING, Stopped, StopSignals, listening

TERM, HUP, USR1 = signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        ([(TERM, 0.0)], ["SIGTERM"]),
        ([(TERM, 0.0), (TERM, 0.002)], ["SIGTERM"]),  # `timeout`: the child, then its group
        ([(TERM, 0.0), (HUP, 0.01), (TERM, 0.2), (USR1, 0.9)], ["SIGTERM"]),
        ([(TERM, 0.0), (TERM, 1.0)], ["SIGTERM", "at once"]),
        ([(USR1, 0.0), (TERM, 60.0)], ["SIGUSR1", "at once"]),
        ([(TERM, 0.0), (TERM, 0.7), (TERM, 1.4)], ["SIGTERM", "at once"]),
    ],
)
def test_signals_within_a_second_of_the_first_are_one_request(
    arrivals: list[tuple[signal.Signals, float]], expected: list[str]
) -> None:
    now, responses = [0.0], []
    signals = StopSignals(lambda number: responses.append("at once"), clock=lambda: 50.0 + now[0])
    with signals.gracefully(lambda number: responses.append(number.name)):
        for number, now[0] in arrivals:
            signals.receive(number)
    signals.restore()
    assert responses == expected


@pytest.mark.parametrize("number", STOPPING)
def test_signal_raises_outside_the_stages_and_calls_inside_them(number: signal.Signals) -> None:
    expected = KeyboardInterrupt if number is signal.SIGINT else Stopped
    with pytest.raises(expected), listening():
        os.kill(os.getpid(), number)
    heard: list[signal.Signals] = []
    with listening() as signals, signals.gracefully(heard.append):
        os.kill(os.getpid(), number)
    assert heard == [number]


def test_signal_whose_exception_a_library_swallowed_is_raised_again_before_the_stages() -> None:
    with listening() as signals:
        with suppress(BaseException):  # as libraries do
            os.kill(os.getpid(), TERM)
        with pytest.raises(Stopped), signals.gracefully(lambda number: None):
            pytest.fail("the stages began")


def test_signal_in_an_import_is_raised_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["import os, signal", "os.kill(os.getpid(), signal.SIGTERM)", "complete = True"]
    (tmp_path / "module_that_is_interrupted.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)

    def import_and_wait() -> None:
        with listening():
            assert importlib.import_module("module_that_is_interrupted").complete
            threading.Event().wait(30)  # the signal comes again and interrupts this

    with pytest.raises(Stopped):
        import_and_wait()


@pytest.mark.parametrize("number", STOPPING)
def test_signal_that_was_inherited_as_ignored_stays_so_where_that_shields_a_job(number: signal.Signals) -> None:
    former = signal.signal(number, signal.SIG_IGN)
    try:
        with listening():
            ignored = signal.getsignal(number) is signal.SIG_IGN
        assert ignored is (number in MAY_BE_IGNORED)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, former)


def test_other_thread_leaves_the_handlers_alone() -> None:
    def look() -> None:
        with listening() as signals, signals.gracefully(lambda number: None):
            seen.append(signal.getsignal(TERM))

    seen: list[object] = []
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(TERM)]
