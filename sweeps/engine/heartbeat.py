"""A line now and then from a run that has nothing else to say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

EVERY_S = 30.0


class Heartbeat:
    """Says something whenever nothing has been said for a while, in a thread of its own.

    Args:
        say: Says how the run stands.
        every_s: How long nothing may have been said, in seconds.
    """

    def __init__(self, say: Callable[[], None], every_s: float = EVERY_S) -> None:
        self._say, self._every_s = say, every_s
        self._spoken_at = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def start(self) -> None:
        """Begin to watch the silence."""
        self.spoken()
        self._thread.start()

    def spoken(self) -> None:
        """Take note that something has been said."""
        self._spoken_at = time.monotonic()

    def stop(self) -> None:
        """Say nothing any more."""
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(max(0.0, self._spoken_at + self._every_s - time.monotonic())):
            if time.monotonic() - self._spoken_at >= self._every_s:
                self.spoken()
                self._say()
