"""The in-process runner: one job at a time, no Ray. For tests, debugging and small studies."""

from __future__ import annotations

from contextlib import closing

from sweeps.runners.base import Decision, End, Job, Scheduler
from sweeps.runners.worker import execute


class InlineRunner:
    """Trains in the driver's own process."""

    def run(self, scheduler: Scheduler) -> None:
        """Train jobs one after another until none is left or the scheduler is stopping."""
        while not scheduler.stopping and (job := scheduler.suggest()) is not None:
            _train(job, scheduler)

    def close(self) -> None:
        """Nothing is held."""


def _train(job: Job, scheduler: Scheduler) -> None:
    with closing(execute(job)) as events:  # type: ignore[type-var]
        for event in events:
            if isinstance(event, End):
                scheduler.on_end(job, event)
            elif scheduler.on_epoch(job, event) is Decision.STOP or scheduler.stopping:
                return
