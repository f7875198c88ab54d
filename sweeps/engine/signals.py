"""Handle signals for a while, where the process allows it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handling(numbers: Sequence[signal.Signals], handle: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Have `handle` called with each of these signals within the block; restore the former handlers afterwards.

    Python allows signal handlers in the main thread only. In any other thread, such as a notebook's worker, the block
    runs without: its caller stops the study by other means.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        handle(signal.Signals(number))

    former = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
