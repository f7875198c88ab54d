"""Start a runner in a background thread while the driver checks the study.

Ray takes about ten seconds to import and start, which the driver spends on preparing the study.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from sweeps.runners.protocol import Runner, RunnerLost, TrialResources

TRIES = 2  # to start a runner: on a busy machine Ray may not come up within the time that it allows itself
Notify = Callable[[str], None]


class RunnerStartup:
    """A runner that is being started in a thread of its own, which also closes it.

    Args:
        start: Starts the runner. Where it raises RunnerLost, it is called once more.
        notify: Takes the line for the user that says so.
    """

    def __init__(self, start: Callable[[], Runner], notify: Notify = lambda text: None) -> None:
        self._start, self._notify = start, notify
        self._runner: Runner | None = None
        self._failure: Exception | None = None
        self._up = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def ready(self) -> Runner:
        """Wait until the runner has started and return it.

        Raises:
            RunnerError: Ray cannot be started as requested.
            RunnerLost: Ray did not come up.
        """
        self._up.wait()
        if self._failure:
            raise self._failure
        assert self._runner is not None
        return self._runner

    def close(self, wait_s: float | None = None) -> None:
        """Close the runner, waiting for its start to finish first.

        Args:
            wait_s: The longest wait. After it the thread is left alone, and closes the runner when it is up.
        """
        self._over.set()
        self._thread.join(wait_s)

    def _work(self) -> None:
        try:
            self._runner = self._started()
        except Exception as error:  # noqa: BLE001  (raised again by `ready`, in the thread that waits)
            self._failure = error
        finally:
            self._up.set()
        self._over.wait()
        if self._runner:
            self._runner.close()

    def _started(self) -> Runner:
        for left in reversed(range(TRIES)):
            try:
                return self._start()
            except RunnerLost as error:
                if not left or self._over.is_set():
                    raise
                self._notify(f"{error}; trying once more")
        raise AssertionError("TRIES is 0")


def start_runner(
    kind: str, resources: TrialResources, address: str | None, notify: Notify = lambda text: None
) -> RunnerStartup:
    """Begin to start a runner and return at once.

    Args:
        kind: A key of `RUNNERS`.
        resources: The resources of one trial; the inline runner ignores them.
        address: A running Ray cluster; None starts Ray on this machine.
        notify: Takes lines for the user.
    """
    return RunnerStartup(lambda: RUNNERS[kind](resources, address), notify)


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
