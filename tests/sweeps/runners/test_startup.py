"""A runner starts in the background: its failure is raised where it is waited for, and it is closed once it is up."""

from __future__ import annotations

import threading

import pytest

from sweeps.runners.inline import InlineRunner
from sweeps.runners.protocol import RunnerError, RunnerLost, Scheduler, TrialResources
from sweeps.runners.startup import RunnerStartup, start_runner


class Slow:
    """A runner that starts only when it is allowed to, and remembers the threads that started and closed it."""

    def __init__(self) -> None:
        self.allowed = threading.Event()
        self.started_in: threading.Thread | None = None
        self.closed_in: threading.Thread | None = None

    def start(self) -> Slow:
        self.allowed.wait()
        self.started_in = threading.current_thread()
        return self

    def run(self, scheduler: Scheduler) -> None:
        """Never called."""

    def interrupt(self, grace_s: float) -> None:
        """Never called."""

    def close(self) -> None:
        self.closed_in = threading.current_thread()


def test_ready_waits_for_the_runner_and_close_closes_it_in_the_thread_that_started_it() -> None:
    slow = Slow()
    startup = RunnerStartup(slow.start)
    slow.allowed.set()
    assert startup.ready() is slow
    assert slow.closed_in is None
    startup.close()
    assert slow.closed_in is slow.started_in is not threading.current_thread()


def test_runner_that_nobody_waited_for_is_closed() -> None:
    slow = Slow()
    startup = RunnerStartup(slow.start)
    slow.allowed.set()
    startup.close()
    assert slow.closed_in is not None


def test_failure_to_start_is_raised_where_the_runner_is_waited_for() -> None:
    def fail() -> Slow:
        raise RunnerError("no such cluster")

    startup = RunnerStartup(fail)
    with pytest.raises(RunnerError, match="no such cluster"):
        startup.ready()
    startup.close()


def test_inline_runner_needs_no_ray() -> None:
    startup = start_runner("inline", TrialResources(cpu=1, gpu=0), None)
    assert isinstance(startup.ready(), InlineRunner)
    startup.close()


def test_start_that_fails_for_the_moment_is_tried_once_more_which_is_said() -> None:
    tried: list[int] = []

    def start() -> InlineRunner:
        tried.append(1)
        if len(tried) == 1:
            raise RunnerLost("Ray did not start")
        return InlineRunner()

    said: list[str] = []
    startup = RunnerStartup(start, said.append)
    assert isinstance(startup.ready(), InlineRunner)
    startup.close()
    assert said == ["Ray did not start; trying once more"]


def test_start_that_keeps_failing_is_given_up() -> None:
    def start() -> InlineRunner:
        said.append("start")
        raise RunnerLost("Ray did not start")

    said: list[str] = []
    startup = RunnerStartup(start, said.append)
    with pytest.raises(RunnerLost):
        startup.ready()
    startup.close()
    assert said == ["start", "Ray did not start; trying once more", "start"]


def test_close_does_not_wait_longer_than_it_may_for_a_runner_that_is_starting() -> None:
    slow = Slow()
    startup = RunnerStartup(slow.start)
    startup.close(wait_s=0.0)
    assert slow.closed_in is None
    slow.allowed.set()
    startup.close()
    assert slow.closed_in is not None
