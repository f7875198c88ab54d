"""Leave nothing of a run in the memory of its device, however the run ends."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

import torch

from cifar_sweep.device.errors import OutOfMemory, first_line, is_out_of_memory, loss
from sweeps.workload import DeviceLost

T = TypeVar("T")


class Occupied:
    """A context manager around everything that a run has on a device: on leaving, all of that is freed.

    After an error the local variables in its traceback are cleared, because they hold the network and its batches as
    long as the error exists. What the block itself holds must be local to the functions that it calls.

    Args:
        device: "cpu", "cuda" or "mps". Its peak is counted from here on.
    """

    def __init__(self, device: str) -> None:
        self._device = device

    def __enter__(self) -> None:
        if self._device == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            _clear_frames(error)
        release(self._device)


def occupying(device: str, work: Iterator[T], explain: Callable[[], str] | None = None) -> Iterator[T]:
    """Yield what `work` yields, and free all that it has on a device when it ends, fails or is closed.

    Args:
        device: The device, as for `Occupied`.
        work: A generator, which nothing else refers to.
        explain: Returns the message where memory ran out, measured when nothing of `work` is left; by default it is
            that of the error.

    Raises:
        OutOfMemory: The device's memory, or the machine's, ran out.
        DeviceLost: This process can never use the device again.
    """
    try:
        with Occupied(device):
            yield from work
        return
    except (RuntimeError, MemoryError) as error:
        if reason := loss(error):
            raise DeviceLost(reason) from error
        if not is_out_of_memory(error):
            raise
        message, where = first_line(error), "".join(traceback.format_exception(error))
    # Outside the handler: now the error itself is gone.
    gc.collect()
    release(device)
    full = OutOfMemory(message if explain is None else _explained(explain, message))
    release(device)  # what would fit was measured by training
    full.add_note(where)
    raise full


def release(device: str) -> None:
    """Give the memory that is no longer used back to the device, where other processes can take it."""
    if device == "cpu":
        return
    gc.collect()
    # A lost device refuses this, too, which must not take the place of the error that is on its way.
    with suppress(RuntimeError):
        torch.mps.empty_cache() if device == "mps" else torch.cuda.empty_cache()


def _explained(explain: Callable[[], str], message: str) -> str:
    try:
        return explain()
    except Exception as error:  # noqa: BLE001  (memory ran out, whatever keeps the advice from being measured)
        return f"{message}; what would fit could not be measured ({type(error).__name__}: {first_line(error)})"


def _clear_frames(error: BaseException) -> None:
    """Clear the local variables in the tracebacks of an error and of those behind it."""
    waiting, cleared = [error], set()
    while waiting:
        each = waiting.pop()
        if id(each) not in cleared:
            cleared.add(id(each))
            traceback.clear_frames(each.__traceback__)
            waiting += [other for other in (each.__cause__, each.__context__) if other is not None]
