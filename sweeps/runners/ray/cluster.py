"""Start Ray on this machine or connect to a cluster, watch over its processes, and kill its workers."""

from __future__ import annotations

import logging
import math
import socket
from contextlib import suppress

import psutil  # type: ignore[import-untyped]
import ray
from ray._private import ray_constants
from ray._private import worker as ray_worker

from sweeps.io.cores import available_cores
from sweeps.runners.protocol import TrialResources

CONNECT_S = 5.0
OBJECT_STORE_BYTES = 100 * 2**20  # jobs and metrics are small; the data is memory-mapped
REQUIRED_PROCESSES = frozenset({"gcs_server", "raylet"})
WORKER_TITLE = "ray::ImplicitFunc"  # Ray's title for the process of a function that Tune runs


class HeadLost(ConnectionError):
    """A process of the Ray that was started here has ended; without it Tune would wait for workers for ever."""


def start(resources: TrialResources, address: str | None) -> None:
    """Start Ray on this machine, or connect to the cluster at `address`. Raises whatever Ray raises."""
    # Under `uv run` workers would work in a copy of the folder, its environment of gigabytes included, and save there.
    # Ray reads its variable for it when it is first imported, which may have been before this package was.
    ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV = False
    if address:
        _connect(address)
    else:
        _start_here(resources)


def require_alive() -> None:
    """Raise HeadLost if a process has died that Ray cannot do without. A remote cluster's processes are not checked."""
    node = ray_worker.global_worker.node
    ended = node.dead_processes() if node is not None else ()
    dead = {kind for kind, process in ended if kind in REQUIRED_PROCESSES}
    if dead:
        names = " and ".join(sorted(dead))
        raise HeadLost(
            f"Ray's {names} has ended (killed, or out of host memory); nothing is lost, run the same command again"
        )


def kill_workers() -> None:
    """Kill this machine's workers that are still training: Tune would wait ten more seconds for them.

    Their trials resume from their latest checkpoints, as after the loss of a machine.
    """
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error, IndexError):  # it has ended meanwhile, or has no command line any more
            if process.cmdline()[0].startswith(WORKER_TITLE):
                process.kill()


def _connect(address: str) -> None:
    _require_listening(address)
    ray_constants.ENABLE_RAY_CLUSTER = True
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)


def _start_here(resources: TrialResources) -> None:
    # Ray prints the death of a worker among our own output, where progress and `--json` are; the engine has its own
    # note for it.
    ray_worker.print_to_stdstream = lambda *_, **__: None
    # Whoever reaches Ray's servers can run code, so they must listen on the loopback address only. They do so where Ray
    # has no clusters (macOS, Windows); `_node_ip_address="127.0.0.1"` is replaced by the machine's outer address.
    ray_constants.ENABLE_RAY_CLUSTER = False
    ray.init(
        # Without an address, ray.init would join any Ray that it finds on the machine.
        address="local",
        include_dashboard=False,
        # `--workers` may ask for more trials at once than there are cores.
        num_cpus=max(available_cores(), math.ceil((resources.workers or 1) * resources.cpu)),
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _require_listening(address: str) -> None:
    """Raise OSError within seconds if nothing listens at `address`: Ray itself keeps trying for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
