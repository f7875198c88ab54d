"""Run a scheduler's jobs through Ray Tune."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import typing
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray import tune

from sweeps.runners.protocol import RunnerError, RunnerLost, Scheduler, TrialResources
from sweeps.runners.ray.cluster import Cluster
from sweeps.runners.ray.detachable import DetachableScheduler, SchedulerStopped
from sweeps.runners.ray.tune_callbacks import EventDispatcher, JobSearcher, StopWithScheduler
from sweeps.runners.ray.worker import trainable

CHECK_S = 0.5  # between two checks of Ray's own processes
LEAVE_S = 10.0  # for Tune's loop to end


class _TuneLoop:
    """Tune's loop in a thread of its own.

    The driver's main thread stays free: Tune waits for answers of a Ray that has died, perhaps for ever. In the main
    thread it would also replace the handler of SIGUSR1.

    Args:
        fit: Runs Tune; it must end soon after the event is set.
        scheduler: The scheduler.

    Attributes:
        ended: Whether `fit` has returned.
        error: What it raised.
    """

    def __init__(self, fit: Callable[[Scheduler, threading.Event], None], scheduler: Scheduler) -> None:
        self.ended = threading.Event()
        self.error: Exception | None = None
        self._left = threading.Event()
        self._scheduler = DetachableScheduler(scheduler)
        self._thread = threading.Thread(target=self._work, args=(fit,), daemon=True)
        self._thread.start()

    def leave(self, wait_s: float) -> None:
        """End the loop, if it has not ended; after `wait_s` seconds it is left alone, without the scheduler."""
        self._left.set()
        self._thread.join(wait_s)
        self._scheduler.detach()

    def _work(self, fit: Callable[[Scheduler, threading.Event], None]) -> None:
        try:
            fit(typing.cast(Scheduler, self._scheduler), self._left)
        except Exception as error:  # noqa: BLE001  (raised again in the main thread)
            self.error = error
        finally:
            self.ended.set()


class RayRunner:
    """Trains jobs through Ray Tune, on this machine or on a cluster.

    Args:
        resources: The resources of one trial, and how many trials may run at once.
        address: A running Ray cluster; None starts Ray on this machine, which takes seconds.

    Raises:
        RunnerError: Ray cannot be started or reached as requested.
        RunnerLost: Ray did not come up; it may do so at the next attempt.
    """

    def __init__(self, resources: TrialResources, address: str | None = None) -> None:
        self._resources = resources
        self._cluster = Cluster(resources, address)

    def run(self, scheduler: Scheduler) -> None:
        """Train jobs until the scheduler has none and none is running, or until it is stopping.

        Raises:
            RunnerError: A trial asks for more than Ray has.
            RunnerLost: A process of Ray itself has died.
        """
        loop = _TuneLoop(self._fit, scheduler)
        wait_s = LEAVE_S
        try:
            while not loop.ended.wait(CHECK_S):
                self._cluster.require_alive()
        except RunnerLost:
            wait_s = 0.0  # Tune waits for Ray
            raise
        finally:
            loop.leave(wait_s)
        if loop.error is not None:
            self._cluster.require_alive()  # which explains the error better
            raise loop.error

    def _fit(self, scheduler: Scheduler, left: threading.Event) -> None:
        slots = self._slots()
        scratch = Path(tempfile.mkdtemp(prefix="sweep-tune-"))
        try:
            # By default Tune starts the second worker only once the first one is up.
            os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots)
            with suppress(SchedulerStopped):
                self._tuner(scheduler, slots, scratch, left).fit()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def interrupt(self, grace_s: float) -> None:
        """Do nothing: Tune's loop asks the scheduler at every turn whether it is stopping."""

    def close(self) -> None:
        """Stop the Ray that was started here, or disconnect from the cluster."""
        self._cluster.close()

    def _slots(self) -> int:
        """Return how many trials run at once. Raises RunnerError if not even one fits."""
        total = ray.cluster_resources()  # type: ignore[no-untyped-call]
        fits = [total.get("CPU", 0) / self._resources.cpu]
        if self._resources.gpu:
            fits.append(total.get("GPU", 0) / self._resources.gpu)
        slots = int(min(fits) + 1e-9)  # 0.3 / 0.1 is 2.9999999999999996
        if slots < 1:
            available = f"{total.get('CPU', 0):g} CPUs and {total.get('GPU', 0):g} GPUs"
            requested = f"cpu: {self._resources.cpu:g}, gpu: {self._resources.gpu:g}"
            raise RunnerError(f"a trial takes resources {{{requested}}}, but Ray has {available}; lower resources")
        return min(slots, self._resources.workers or slots)

    def _tuner(self, scheduler: Scheduler, slots: int, scratch: Path, left: threading.Event) -> Any:
        return tune.Tuner(
            tune.with_resources(trainable, {"cpu": self._resources.cpu, "gpu": self._resources.gpu}),
            tune_config=tune.TuneConfig(
                search_alg=JobSearcher(scheduler, slots),
                scheduler=EventDispatcher(scheduler),
                num_samples=-1,  # until the searcher says that it has finished
                reuse_actors=True,  # a worker keeps its imports from trial to trial
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="run",
                storage_path=str(scratch),
                verbose=0,
                stop=StopWithScheduler(scheduler, left),
                # Tune retries a trial whose worker died while it ran, but gives up one whose worker died just before.
                # Without retries both come back in the same way, and `JobSearcher` hands the job out again.
                failure_config=tune.FailureConfig(max_failures=0),
            ),
        )
