"""Start a runner in a background thread while the driver checks the study.

Ray takes about ten seconds to import and start, which the driver spends on preparing the study.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from sweeps.runners.protocol import Runner, TrialResources


class RunnerStartup:
    """A runner that is being started in a thread of its own.

    The thread lives until `close`: Linux kills Ray's processes together with the thread that started them
    (parent-death signal), and the driver would then wait a minute for a server that is gone.
    """

    def __init__(self, start: Callable[[], Runner]) -> None:
        self._start = start
        self._runner: Runner | None = None
        self._failure: Exception | None = None
        self._up = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def ready(self) -> Runner:
        """Wait until the runner has started and return it.

        Raises:
            RunnerError: Ray could not be started.
        """
        self._up.wait()
        if self._failure:
            raise self._failure
        assert self._runner is not None
        return self._runner

    def close(self) -> None:
        """Close the runner, waiting for its start to finish first."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            self._runner = self._start()
        except Exception as error:  # noqa: BLE001  (raised again by `ready`, in the thread that waits)
            self._failure = error
        finally:
            self._up.set()
        self._over.wait()
        if self._runner:
            self._runner.close()


def start_runner(kind: str, resources: TrialResources, address: str | None) -> RunnerStartup:
    """Begin to start a runner and return at once.

    Args:
        kind: A key of `RUNNERS`.
        resources: The resources of one trial; the inline runner ignores them.
        address: A running Ray cluster; None starts Ray on this machine.
    """
    return RunnerStartup(lambda: RUNNERS[kind](resources, address))


def _inline(resources: TrialResources, address: str | None) -> Runner:
    from sweeps.runners.inline import InlineRunner

    return InlineRunner()


def _ray(resources: TrialResources, address: str | None) -> Runner:
    from sweeps.runners.ray import RayRunner

    return RayRunner(resources, address)


RUNNERS: Mapping[str, Callable[[TrialResources, str | None], Runner]] = {
    "ray": _ray,
    "inline": _inline,
}
"""Every runner: its name for `--runner`, and what starts it with the resources of a trial and a cluster's address."""
