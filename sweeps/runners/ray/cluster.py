"""Start Ray on this machine or connect to a cluster, watch over its processes, and kill its workers."""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import suppress

import psutil  # type: ignore[import-untyped]
import ray
from ray._private import ray_constants
from ray._private import worker as ray_worker

from sweeps.io.machine import available_cores
from sweeps.runners.protocol import RunnerError, RunnerLost, TrialResources
from sweeps.runners.ray.head import HeadWatch, reachable
from sweeps.runners.ray.processes import ServerProcesses
from sweeps.runners.ray.temp_dir import temp_dir

OBJECT_STORE_BYTES = 100 * 2**20  # jobs and metrics are small; the data is memory-mapped
WORKER_TITLE = "ray::ImplicitFunc"  # Ray's title for the process of a function that Tune runs
CHECK_S = 0.5  # between two checks of Ray's processes while it starts
START_S = 180.0  # Ray gives up by itself after about two minutes
LOST_S = 2.0  # for the end of a Ray that has lost a process
WITHOUT = "--runner inline (runner='inline') trains without it"


class HeadLost(RunnerLost):
    """A process has ended that Ray cannot do without; Tune would wait for workers for ever."""


class Cluster:
    """A Ray that was started on this machine, or a cluster that the driver has joined.

    It is started and stopped in a thread of its own: Linux kills Ray's processes together with the thread that started
    them (parent-death signal), and a start hangs for ever where one of them is killed.

    Args:
        resources: The resources of one trial, and how many trials may run at once.
        address: A running cluster; None starts Ray on this machine.

    Raises:
        RunnerError: Ray cannot be started or reached as requested.
        RunnerLost: Ray did not come up; it may do so at the next attempt.
    """

    def __init__(self, resources: TrialResources, address: str | None) -> None:
        self._processes = ServerProcesses()
        self._head: HeadWatch | None = None
        self._error: BaseException | None = None
        self._up, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._live, args=(resources, address), daemon=True)
        self._thread.start()
        self._wait()

    def require_alive(self) -> None:
        """Raise HeadLost if a process that was started here has died, or a cluster's head is gone."""
        if dead := self._processes.dead():
            raise HeadLost(f"Ray's {' and '.join(dead)} has ended (killed, or out of host memory); nothing is lost")
        if self._head is not None and self._head.lost():
            raise HeadLost("the head of the Ray cluster does not answer any more; nothing is lost")

    def close(self) -> None:
        """Stop the Ray that was started here, or disconnect from the cluster."""
        try:
            self.require_alive()
        except HeadLost:
            self._processes.kill()
            wait_s: float | None = LOST_S  # Ray waits for what is gone
        else:
            wait_s = None
        self._over.set()
        self._thread.join(wait_s)

    def _wait(self) -> None:
        """Wait until Ray is up. Raises what keeps it from that."""
        deadline = time.monotonic() + START_S
        while not self._up.wait(CHECK_S):
            try:
                self.require_alive()
                if time.monotonic() > deadline:
                    raise RunnerLost(f"Ray did not start within {START_S:g} s")
            except RunnerLost:
                self._over.set()
                self._processes.kill()
                raise
        if self._error is not None:
            raise self._error

    def _live(self, resources: TrialResources, address: str | None) -> None:
        try:
            _silence()
            with self._processes.starting():
                if address:
                    self._head = connect(address)
                else:
                    _start_here(resources)
        except BaseException as error:  # noqa: BLE001  (raised again by `_wait`)
            self._error = error
        given_up = self._over.is_set()
        if self._error is None and not given_up:
            self._up.set()
            self._over.wait()
        if not given_up:  # otherwise the driver may have started another Ray meanwhile
            ray.shutdown()
        self._processes.kill()
        self._up.set()


def kill_workers() -> None:
    """Kill this machine's workers that are still training: Tune would wait ten more seconds for them.

    Their trials resume from their latest checkpoints, as after the loss of a machine.
    """
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error, IndexError):  # it has ended meanwhile, or has no command line any more
            if process.cmdline()[0].startswith(WORKER_TITLE):
                process.kill()


def _silence() -> None:
    """Keep Ray's own lines out of our output; what matters reaches the driver as an exception."""
    # Among others the death of a worker, for which the engine has a note of its own.
    ray_worker.print_to_stdstream = lambda *_, **__: None
    for name in ("ray", "ray.tune"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def connect(address: str) -> HeadWatch | None:
    """Join a cluster. Ray itself would keep trying for minutes where nothing listens."""
    _without_uv()
    if not reachable(address.removeprefix("ray://")):
        raise RunnerError(f"Ray did not start: nothing listens at {address}; {WITHOUT}")
    ray_constants.ENABLE_RAY_CLUSTER = True
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # Ray raises bare ones, too
        raise RunnerError(f"Ray did not start: {_first_line(error)}; {WITHOUT}") from error
    return None if address.startswith("ray://") else HeadWatch(str(ray.get_runtime_context().gcs_address))


def _without_uv() -> None:
    # Under `uv run` workers would work in a copy of the folder, its environment of gigabytes included, and save there.
    # Ray reads its variable for it when it is first imported, which may have been before this package was.
    ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV = False


def _start_here(resources: TrialResources) -> None:
    _without_uv()
    folder = temp_dir()
    # Whoever reaches Ray's servers can run code, so they must listen on the loopback address only. They do so where Ray
    # has no clusters (macOS, Windows); `_node_ip_address="127.0.0.1"` is replaced by the machine's outer address.
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        ray.init(
            # Without an address, ray.init would join any Ray that it finds on the machine.
            address="local",
            include_dashboard=False,
            # `--workers` may ask for more trials at once than there are cores.
            num_cpus=max(available_cores(), math.ceil((resources.workers or 1) * resources.cpu)),
            num_gpus=resources.gpus,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            _temp_dir=str(folder),
        )
    except Exception as error:
        raise RunnerLost(f"Ray did not start: {_first_line(error)} (its log is in {folder})") from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
