"""sweeps.runners.startup."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sweeps.runners.protocol import Runner, TrialResources


class Starting:
    """A runner on its way up in a thread of its own, while the driver checks the study.

    The thread lives until `close`: Linux ends the processes of a Ray together with the thread that started them.
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
        """The runner, once it is up. Raises what kept it from starting."""
        self._up.wait()
        if self._failure:
            raise self._failure
        assert self._runner is not None
        return self._runner

    def close(self) -> None:
        """Give back what the runner holds, as soon as it holds it."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            self._runner = self._start()
        except Exception as error:  # noqa: BLE001  (raised in the thread that waits)
            self._failure = error
        finally:
            self._up.set()
        self._over.wait()
        if self._runner:
            self._runner.close()


def starting(kind: str, share: TrialResources, address: str | None) -> Starting:
    """Begin to start the runner called `kind`: "ray" or "inline"."""
    return Starting(_inline if kind == "inline" else lambda: _ray(share, address))


def _inline() -> Runner:
    from sweeps.runners.inline import InlineRunner

    return InlineRunner()


def _ray(share: TrialResources, address: str | None) -> Runner:
    from sweeps.runners.ray import RayRunner

    return RayRunner(share, address)
