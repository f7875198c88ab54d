"""A scheduler that has been detached from Tune's thread is out of its reach."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sweeps.runners.ray.detachable import DetachableScheduler, SchedulerStopped
from sweeps.runners.ray.runner import _TuneLoop


class Counter:
    """Counts the uses of a scheduler."""

    uses = 0

    @property
    def stopping(self) -> bool:
        self.uses += 1
        return False

    def on_note(self, job: object, note: object) -> None:
        self.uses += 1


def test_detached_scheduler_is_used_no_more() -> None:
    counter = Counter()
    scheduler: Any = DetachableScheduler(counter)  # type: ignore[arg-type]
    on_note = scheduler.on_note  # taken before
    assert not scheduler.stopping
    on_note(None, None)
    scheduler.detach()
    for use in (lambda: scheduler.stopping, lambda: on_note(None, None), lambda: scheduler.on_note(None, None)):
        with pytest.raises(SchedulerStopped):
            use()
    assert counter.uses == 2


def test_tune_that_wakes_after_the_driver_has_left_reaches_nothing() -> None:
    counter, wake = Counter(), threading.Event()

    def fit(scheduler: Any, left: threading.Event) -> None:
        wake.wait()
        scheduler.on_note(None, None)

    loop = _TuneLoop(fit, counter)  # type: ignore[arg-type]
    loop.leave(0.0)
    wake.set()
    assert loop.ended.wait(60)
    assert isinstance(loop.error, SchedulerStopped)
    assert counter.uses == 0
