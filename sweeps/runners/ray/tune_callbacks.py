"""Ray Tune's searcher, trial scheduler and stopper, which pass everything on to the study's own scheduler."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from sweeps.runners.protocol import Decision, Job, Scheduler, dispatch
from sweeps.runners.ray.cluster import kill_workers
from sweeps.runners.ray.detachable import SchedulerStopped
from sweeps.runners.ray.worker import Pause

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 4.0


class _WithoutState:
    """Pickled without the driver's state: Tune writes its parts into snapshots, which are never used here."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class JobSearcher(_WithoutState, Searcher):
    """Gives the scheduler's jobs to Tune, one for each free slot."""

    def __init__(self, scheduler: Scheduler, slots: int) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._slots = slots
        self._live: dict[str, Job | Pause] = {}  # by Tune's trial id
        self._restarts: deque[Job] = deque()  # jobs whose worker died
        self._pause_s = SHORTEST_PAUSE_S

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of a trial; None while all slots are taken, FINISHED when nothing is left."""
        if len(self._live) >= self._slots:
            return None
        job = self._restarts.popleft() if self._restarts else self._scheduler.suggest() or self._pause()
        if job is None:
            return str(Searcher.FINISHED)
        self._live[trial_id] = job
        return {"job": job}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Free the slot of a trial; after the death of its worker the scheduler decides whether it starts again."""
        job = self._live.pop(trial_id)
        if isinstance(job, Pause):
            return
        self._pause_s = SHORTEST_PAUSE_S  # the end of a job may make others ready
        # A workload's own error arrives as an End event, so an error of Tune's is the death of the process. Where the
        # scheduler is stopping, this runner has killed the worker itself, which is no death to count.
        if error and not self._scheduler.stopping and self._scheduler.on_death(job) is Decision.CONTINUE:
            self._restarts.append(job)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the study's storage has everything."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: the study's storage has everything."""

    def _pause(self) -> Pause | None:
        """Return a pause, twice as long as the previous one; None when no job is running any more."""
        if all(isinstance(job, Pause) for job in self._live.values()):
            return None
        pause = Pause(self._pause_s)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        return pause


class EventDispatcher(_WithoutState, FIFOScheduler):
    """Passes the events of workers to the scheduler and its decisions to Tune."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._scheduler = scheduler

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Dispatch the event that a worker has reported."""
        if self._scheduler.stopping:
            return str(TrialScheduler.STOP)
        job = trial.config["job"]
        if isinstance(job, Pause):
            return str(TrialScheduler.CONTINUE)
        decision = dispatch(result["event"], job, self._scheduler)
        return str(TrialScheduler.STOP if decision is Decision.STOP else TrialScheduler.CONTINUE)


class StopWithScheduler(_WithoutState, tune.Stopper):
    """Ends Tune's loop when the scheduler is stopping, or `left` says that nobody waits for it any more."""

    def __init__(self, scheduler: Scheduler, left: threading.Event) -> None:
        self._scheduler = scheduler
        self._left = left

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return False: single trials are stopped by the dispatcher."""
        return False

    def stop_all(self) -> bool:
        """Check whether to stop; Tune calls this at every turn of its loop.

        Raises:
            SchedulerStopped: The scheduler is stopping; the workers have been killed.
        """
        if self._scheduler.stopping or self._left.is_set():
            kill_workers()
            raise SchedulerStopped
        return False
