"""Ray's own processes on this machine: apart from the driver's process group, and ended with the driver."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from ray._private import services

# A head that was killed does not come back: a node that does not reach it for so long ends itself and its workers. The
# driver has no such limit, with which Ray would end it; `cluster.require_alive` finds out earlier.
RECONNECT_S = 10
KEEP_S = 0.01
REQUIRED = frozenset({"gcs_server", "raylet"})
POPEN = "ConsolePopen"  # what Ray starts its processes with

_ORIGINAL = services.ConsolePopen


class ServerProcesses:
    """The processes of one Ray that this driver starts; none where it joins a cluster."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[Any]] = []

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Start Ray's processes detached within the block, and keep Python's signal handlers."""
        setattr(services, POPEN, self._start)
        try:
            with _handler_kept(signal.SIGTERM):
                yield
        finally:
            setattr(services, POPEN, _ORIGINAL)

    def dead(self) -> list[str]:
        """Return the names of those that have ended and that Ray cannot do without."""
        ended = [process.args for process in self._started if process.poll() is not None]
        return sorted({Path(words[0]).name for words in ended if isinstance(words, list)} & REQUIRED)

    def kill(self) -> None:
        """Kill the processes with their descendants."""
        processes, self._started[:] = list(self._started), []
        for process in processes:
            with suppress(psutil.Error):
                for child in psutil.Process(process.pid).children(recursive=True):
                    with suppress(psutil.Error):
                        child.kill()
            process.kill()
            process.wait()

    def _start(self, *args: Any, **options: Any) -> subprocess.Popen[Any]:
        process = _detached(*args, **options)
        self._started.append(process)
        return process


def _detached(
    *args: Any, env: Mapping[str, str], preexec_fn: Callable[[], None] | None = None, **options: Any
) -> subprocess.Popen[Any]:
    """Start a process of Ray in a session of its own.

    A terminal and most batch systems signal the driver's whole process group, Slurm also what has left it. Ray's
    processes die of SIGHUP and SIGUSR1, and trials could not finish their epoch; workers inherit what is ignored here.
    """

    def prepare() -> None:
        for number in (signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        if preexec_fn is not None:
            preexec_fn()

    env = {**env, "RAY_gcs_rpc_server_reconnect_timeout_s": str(RECONNECT_S)}
    return subprocess.Popen(*args, env=env, preexec_fn=prepare, start_new_session=True, **options)  # type: ignore[call-overload,no-any-return]


@contextmanager
def _handler_kept(number: signal.Signals) -> Iterator[None]:
    """Put the handler of a signal back whenever it is replaced within the block.

    While Ray connects, C++ code installs a handler for SIGTERM that prints its stack and ends the process.
    """
    # By the C interface: `signal.signal` works in the main thread only, and knows nothing of the replacement.
    get, put = ctypes.pythonapi.PyOS_getsig, ctypes.pythonapi.PyOS_setsig
    get.restype = put.restype = ctypes.c_void_p
    put.argtypes = [ctypes.c_int, ctypes.c_void_p]
    handler, over = get(int(number)), threading.Event()

    def keep() -> None:
        while not over.wait(KEEP_S):
            if get(int(number)) != handler:
                put(int(number), handler)

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()
        put(int(number), handler)
