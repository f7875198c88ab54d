"""A scheduler that a thread which nobody can end is kept away from."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from sweeps.runners.protocol import Scheduler


class SchedulerStopped(Exception):
    """Leaves Tune's loop. Tune's own way to stop waits for workers that are inside an epoch."""


class DetachableScheduler:
    """Passes everything on to a scheduler until it is detached; from then on every use raises SchedulerStopped.

    Tune's thread may wait for a Ray that has died and go on much later, when the driver has closed the study's storage
    and perhaps another run of it is under way.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._lock = threading.Lock()
        self._detached = False

    def detach(self) -> None:
        """Keep the scheduler from any further use; a call that has begun is waited for."""
        with self._lock:
            self._detached = True

    def __getattr__(self, name: str) -> Any:
        value = self._attached(lambda: getattr(self._scheduler, name))
        return partial(self._call, value) if callable(value) else value

    def _call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        return self._attached(lambda: method(*arguments))

    def _attached(self, use: Callable[[], Any]) -> Any:
        with self._lock:
            if self._detached:
                raise SchedulerStopped
            return use()
