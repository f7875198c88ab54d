"""The in-process runner: one job at a time, no Ray. For tests, debugging and small studies."""

from __future__ import annotations

from contextlib import closing, suppress

from sweeps.runners.protocol import Decision, Job, Scheduler, dispatch
from sweeps.runners.watchdog import Alarm, GraceOver
from sweeps.runners.worker import execute


class InlineRunner:
    """Trains in the driver's own process."""

    def __init__(self) -> None:
        self._alarm: Alarm | None = None

    def run(self, scheduler: Scheduler) -> None:
        """Train jobs one after another until none is left or the scheduler is stopping."""
        with suppress(GraceOver), Alarm() as self._alarm:
            while not scheduler.stopping and (job := scheduler.suggest()) is not None:
                _train(job, scheduler, self._alarm.watching(job.timeout_s))

    def interrupt(self, grace_s: float) -> None:
        """Leave the job at hand after so many seconds, wherever it is."""
        if self._alarm is not None:
            self._alarm.interrupt(grace_s)

    def close(self) -> None:
        """Nothing is held."""


def _train(job: Job, scheduler: Scheduler, alarm: Alarm) -> None:
    with closing(execute(job, alarm)) as events:  # type: ignore[type-var]
        for event in events:
            if dispatch(event, job, scheduler) is Decision.STOP or scheduler.stopping:
                return
