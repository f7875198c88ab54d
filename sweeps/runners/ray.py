"""Ray Tune as a throw-away executor: it places jobs on devices and keeps nothing that a study needs.

Each start builds a fresh Tuner over actors that are reused from trial to trial; what to run, when to stop and what
happened is the scheduler's business, whose truth is the study's storage.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import socket
import tempfile
import time
from collections import deque
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read when Ray is imported or started. Nothing is sent anywhere, and our own progress is the only output.
os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",
    RAY_AUTH_MODE="disabled",
    RAY_AIR_NEW_OUTPUT="0",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
    RAY_CHDIR_TO_TRIAL_DIR="0",  # workloads are found from the folder in which the command was given
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
    TUNE_DISABLE_SIGINT_HANDLER="1",
    TUNE_PRINT_ALL_TRIAL_ERRORS="0",
    TUNE_GLOBAL_CHECKPOINT_S="86400",
    RAY_gcs_rpc_server_reconnect_timeout_s="10",  # a head that was killed does not come back: Ray then ends the driver
    TUNE_FUNCTION_THREAD_TIMEOUT_S="120",  # a reused worker may be inside an epoch when it is told to leave
)

import psutil  # type: ignore[import-untyped]
import ray
from ray import tune
from ray._private import ray_constants
from ray._private import worker as ray_worker
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from sweeps.runners.protocol import Decision, Job, RunnerError, Scheduler, TrialResources, dispatch
from sweeps.runners.watchdog import Exit
from sweeps.runners.worker import execute

CONNECT_S = 5.0
OBJECT_STORE_BYTES = 100 * 2**20  # jobs and metrics are small; the data is memory-mapped


WORKER_TITLE = "ray::ImplicitFunc"  # what Ray calls the process of a function that Tune runs
LOOK_S = 2.0  # between two looks at Ray's own processes
NEEDED = frozenset({"gcs_server", "raylet"})
SHORTEST_REST_S, LONGEST_REST_S = 0.25, 4.0


@dataclass(frozen=True)
class _Rest:
    """A pause in a worker that has nothing to do while another still trains.

    Tune gives up a worker that is idle even for a moment, and starts a new one only when it is faster up than a running
    trial ends: between two stages of short runs a study would go on with one worker for good.
    """

    seconds: float


class RayRunner:
    """Trains through Ray Tune on this machine, or on the cluster at `address`."""

    def __init__(self, share: TrialResources, address: str | None = None) -> None:
        """Starts Ray, which takes seconds. Raises RunnerError."""
        self._share = share
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        try:
            _init(share, address)
        except Exception as error:  # Ray raises bare ones, too
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            raise RunnerError(f"Ray did not start: {first_line}; --runner inline trains without it") from error

    def run(self, scheduler: Scheduler) -> None:
        """Train jobs until the scheduler has none left and none runs, or it is stopping. Raises RunnerError."""
        slots = self._slots()
        scratch = Path(tempfile.mkdtemp(prefix="sweep-tune-"))
        try:
            # By default Tune starts the second worker only once the first one is up.
            os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots)
            with suppress(_Stopped):
                self._tuner(scheduler, slots, scratch).fit()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def interrupt(self, grace_s: float) -> None:
        """Nothing is to be done: the scheduler is asked at every turn whether it is stopping."""

    def close(self) -> None:
        """Stop the Ray that was started here, or leave the cluster."""
        ray.shutdown()

    def _slots(self) -> int:
        total = ray.cluster_resources()  # type: ignore[no-untyped-call]
        fits = [total.get("CPU", 0) / self._share.cpu]
        if self._share.gpu:
            fits.append(total.get("GPU", 0) / self._share.gpu)
        slots = int(min(fits) + 1e-9)
        if slots < 1:
            available = f"{total.get('CPU', 0):g} CPUs and {total.get('GPU', 0):g} GPUs"
            wanted = f"cpu: {self._share.cpu:g}, gpu: {self._share.gpu:g}"
            raise RunnerError(f"a trial takes resources {{{wanted}}}, but Ray has {available}; lower resources")
        return min(slots, self._share.workers or slots)

    def _tuner(self, scheduler: Scheduler, slots: int, scratch: Path) -> Any:
        share = {"cpu": self._share.cpu, "gpu": self._share.gpu}
        return tune.Tuner(
            tune.with_resources(_trainable, share),
            tune_config=tune.TuneConfig(
                search_alg=_Jobs(scheduler, slots),
                scheduler=_Decisions(scheduler),
                num_samples=-1,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="run",
                storage_path=str(scratch),
                verbose=0,
                stop=_WhenAsked(scheduler),
                failure_config=tune.FailureConfig(max_failures=0),  # whose worker died is handed out anew by `_Jobs`
            ),
        )


def _init(share: TrialResources, address: str | None) -> None:
    # Under `uv run` workers would work in a copy of the folder, its environment of gigabytes included, and save there.
    # Ray reads its variable for it when it is first imported, which may have been before this module was.
    ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV = False
    if address:
        _require_listening(address)
        ray_constants.ENABLE_RAY_CLUSTER = True
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        return
    # Ray prints the death of a worker into our own output, where progress and `--json` are; a note of ours tells it.
    ray_worker.print_to_stdstream = lambda *_, **__: None
    # Whoever reaches Ray's servers can run code: they are to listen to this machine alone, as they do by themselves
    # where Ray has no clusters (macOS, Windows). It takes the outer address for `_node_ip_address="127.0.0.1"`.
    ray_constants.ENABLE_RAY_CLUSTER = False
    ray.init(
        # Without an address, ray.init would join whatever Ray it finds on the machine.
        address="local",
        include_dashboard=False,
        num_cpus=max(_cores(), math.ceil((share.workers or 1) * share.cpu)),
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _require_listening(address: str) -> None:
    """Ray itself tries an address for minutes. Raises OSError within seconds."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()


def _trainable(config: dict[str, Any]) -> None:
    """Runs in a worker: one job, its events reported as they come."""
    if isinstance(config["job"], _Rest):
        # This job is to wait, so that the worker is there when work comes: Tune gives up an idle actor within moments
        # and has no public setting against it, and a new one costs 5 to 7 s of imports. Measured in docs/decisions.md,
        # "One Tuner run for all stages, and workers that rest".
        time.sleep(config["job"].seconds)
        tune.report({"event": config["job"]})
        return
    job: Job = config["job"]
    watch = Exit(job.folder, job.timeout_s) if job.timeout_s is not None else None
    with closing(execute(job, watch)) as events:  # type: ignore[type-var]
        for event in events:
            tune.report({"event": event})


class _Unpicklable:
    """Tune pickles its parts into snapshots that are never used here: they go without the driver's state."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Jobs(_Unpicklable, Searcher):
    """Hands the scheduler's jobs to Tune, as many at a time as there are slots."""

    def __init__(self, scheduler: Scheduler, slots: int) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._slots = slots
        self._live: dict[str, Job | _Rest] = {}
        self._again: deque[Job] = deque()  # whose worker died: Tune retries some of them, and not those about to start
        self._rest_s = SHORTEST_REST_S

    def suggest(self, trial_id: str) -> Any:
        if len(self._live) >= self._slots:
            return None
        job = self._again.popleft() if self._again else self._scheduler.suggest() or self._rest()
        if job is None:
            return str(Searcher.FINISHED)
        self._live[trial_id] = job
        return {"job": job}

    def _rest(self) -> _Rest | None:
        """A pause, each longer than the one before it; None when no job runs any more."""
        if all(isinstance(job, _Rest) for job in self._live.values()):
            return None
        rest = _Rest(self._rest_s)
        self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)
        return rest

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        job = self._live.pop(trial_id)
        if isinstance(job, _Rest):
            return
        self._rest_s = SHORTEST_REST_S
        if error and not self._scheduler.stopping and self._scheduler.on_death(job) is Decision.CONTINUE:
            self._again.append(job)

    def save(self, checkpoint_path: str) -> None:
        """The storage holds everything."""

    def restore(self, checkpoint_path: str) -> None:
        """The storage holds everything."""


class _Decisions(_Unpicklable, FIFOScheduler):
    """Brings a worker's events to the scheduler and its decisions to Tune."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._scheduler = scheduler

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if self._scheduler.stopping:
            return str(TrialScheduler.STOP)
        job = trial.config["job"]
        if isinstance(job, _Rest):
            return str(TrialScheduler.CONTINUE)
        decision = dispatch(result["event"], job, self._scheduler)
        return str(TrialScheduler.STOP if decision is Decision.STOP else TrialScheduler.CONTINUE)


class HeadLost(ConnectionError):
    """A process of the Ray that was started here has ended: without it Tune would wait for workers for ever."""


class _Stopped(Exception):
    """Leaves Tune without its own way to the end, which waits for workers that are inside an epoch."""


class _WhenAsked(_Unpicklable, tune.Stopper):
    """Ends the run when the scheduler is stopping, or Ray is no more."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._looked = time.monotonic()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        if time.monotonic() - self._looked >= LOOK_S:
            self._looked = time.monotonic()
            _require_alive()
        if self._scheduler.stopping:
            _kill_workers()
            raise _Stopped
        return False


def _kill_workers() -> None:
    """Kill the workers of this machine that have not left: Tune would wait for them for ten seconds more.

    As when a machine is taken away, their runs go on from their last checkpoints.
    """
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error, IndexError):
            if process.cmdline()[0].startswith(WORKER_TITLE):
                process.kill()


def _require_alive() -> None:
    """Raise HeadLost where a process that Ray cannot do without has died. Of a cluster elsewhere nothing is known."""
    node = ray_worker.global_worker.node
    dead = {kind for kind, process in node.dead_processes() if kind in NEEDED} if node is not None else set()
    if dead:
        names = " and ".join(sorted(dead))
        raise HeadLost(
            f"Ray's {names} has ended (killed, or out of host memory); nothing is lost, run the same command again"
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0))
