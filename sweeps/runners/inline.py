"""The in-process runner: one job at a time, without Ray. For tests, debugging and small studies."""

from __future__ import annotations

from contextlib import closing, suppress

from sweeps.runners.protocol import Decision, DeviceLoss, Job, RunnerLost, Scheduler, dispatch
from sweeps.runners.watchdog import Alarm, GraceOver
from sweeps.runners.worker import execute


class InlineRunner:
    """Trains jobs in the driver's own process."""

    def __init__(self) -> None:
        self._alarm: Alarm | None = None

    def run(self, scheduler: Scheduler) -> None:
        """Train jobs one after another until the scheduler has none or is stopping.

        Raises:
            RunnerLost: The device has failed, and this process can never use it again.
        """
        # GraceOver ends the run from inside a workload. By then `scheduler.stopping` is true, and the interrupted trial
        # stays unfinished in the storage, so leaving here loses no more than the epoch under way.
        with suppress(GraceOver), Alarm() as self._alarm:
            while not scheduler.stopping and (job := scheduler.suggest()) is not None:
                _train(job, scheduler, self._alarm.watching(job.timeout_s))

    def interrupt(self, grace_s: float) -> None:
        """Abandon the running job in `grace_s` seconds, wherever it is."""
        # The workload occupies the main thread, so nobody looks at `scheduler.stopping` during an epoch.
        if self._alarm is not None:
            self._alarm.interrupt(grace_s)

    def close(self) -> None:
        """Do nothing: this runner holds no resources."""


def _train(job: Job, scheduler: Scheduler, alarm: Alarm) -> None:
    # `closing` runs the generator's `finally` at once when a job is stopped early, which stops its watchdog before the
    # next job starts.
    with closing(execute(job, alarm)) as events:  # type: ignore[type-var]
        for event in events:
            if alarm.rang:  # what a workload makes of GraceOver, such as an error of its own, is no end of the trial
                return
            if dispatch(event, job, scheduler) is Decision.STOP or scheduler.stopping:
                return
            if isinstance(event, DeviceLoss):
                raise RunnerLost(
                    f"{job.stage} {job.number}: {event.outcome.reason}: this process can use its device no more, and "
                    "the inline runner has no other one"
                )
