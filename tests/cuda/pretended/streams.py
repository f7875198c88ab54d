"""Streams and events. All work is done when it is queued; only copies to the host arrive late."""

from __future__ import annotations

import time
from typing import Any, Self

from tests.cuda.pretended.device import CUDA, Device


class Stream:
    """In place of torch.cuda.Stream."""

    pretended: Device
    device = CUDA
    cuda_stream = 0

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        """Make a stream; its device and priority do not matter."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def wait_stream(self, other: Stream) -> None:
        """Do nothing: the other stream's work is done."""
        self.pretended.require_sound()

    def wait_event(self, event: Event) -> None:
        """Do nothing: what the event follows is done."""
        self.pretended.require_sound()

    def record_event(self, event: Event | None = None) -> Event:
        """Return an event after all that was queued."""
        event = event or Event()
        event.record(self)
        return event

    def synchronize(self) -> None:
        """Wait for what was queued."""
        self.pretended.wait("stream.synchronize")

    def query(self) -> bool:
        """Return whether all is done: copies to the host are not, until they are waited for."""
        return False

    def is_capturing(self) -> bool:
        """Return whether a graph is being captured."""
        return self.pretended.tape is not None


class Event:
    """In place of torch.cuda.Event."""

    pretended: Device

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._sent = 0
        self._time = 0.0

    def record(self, stream: Stream | None = None) -> None:
        """Follow all that was queued so far."""
        self.pretended.require_sound()
        self._sent, self._time = self.pretended.sent, time.perf_counter()

    def wait(self, stream: Stream | None = None) -> None:
        """Do nothing: what the event follows is done."""

    def synchronize(self) -> None:
        """Wait for what the event follows; the host does not wait for what came later."""
        self.pretended.require_sound()
        self.pretended.log.calls["event.synchronize"] += 1
        self.pretended.arrive(self._sent)

    def query(self) -> bool:
        """Return True, what the event follows having arrived at this call."""
        self.pretended.require_sound()
        self.pretended.arrive(self._sent)
        return True

    def elapsed_time(self, end: Event) -> float:
        """Return the milliseconds between two events, as the CPU took them."""
        return 1000 * (end._time - self._time)
