"""Run a scheduler's jobs through Ray Tune."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray import tune

from sweeps.runners.protocol import RunnerError, Scheduler, TrialResources
from sweeps.runners.ray import cluster
from sweeps.runners.ray.tune_callbacks import EventDispatcher, JobSearcher, SchedulerStopped, StopWithScheduler
from sweeps.runners.ray.worker import trainable


class RayRunner:
    """Trains jobs through Ray Tune, on this machine or on a cluster.

    Args:
        resources: The resources of one trial, and how many trials may run at once.
        address: A running Ray cluster; None starts Ray on this machine, which takes seconds.

    Raises:
        RunnerError: Ray could not be started or reached.
    """

    def __init__(self, resources: TrialResources, address: str | None = None) -> None:
        self._resources = resources
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        try:
            cluster.start(resources, address)
        except Exception as error:  # Ray raises bare ones, too
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            raise RunnerError(
                f"Ray did not start: {first_line}; --runner inline (runner='inline') trains without it"
            ) from error

    def run(self, scheduler: Scheduler) -> None:
        """Train jobs until the scheduler has none and none is running, or until it is stopping.

        Raises:
            RunnerError: A trial asks for more than Ray has.
            HeadLost: A process of Ray itself has died.
        """
        slots = self._slots()
        scratch = Path(tempfile.mkdtemp(prefix="sweep-tune-"))
        try:
            # By default Tune starts the second worker only once the first one is up.
            os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots)
            with suppress(SchedulerStopped):
                self._tuner(scheduler, slots, scratch).fit()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def interrupt(self, grace_s: float) -> None:
        """Do nothing: Tune's loop asks the scheduler at every turn whether it is stopping."""

    def close(self) -> None:
        """Stop the Ray that was started here, or disconnect from the cluster."""
        ray.shutdown()

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

    def _tuner(self, scheduler: Scheduler, slots: int, scratch: Path) -> Any:
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
                stop=StopWithScheduler(scheduler),
                # Tune retries a trial whose worker died while it ran, but gives up one whose worker died just before.
                # Without retries both come back in the same way, and `JobSearcher` hands the job out again.
                failure_config=tune.FailureConfig(max_failures=0),
            ),
        )
