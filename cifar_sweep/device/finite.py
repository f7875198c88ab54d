"""Notice a training that diverges without making the host wait for a GPU."""

from __future__ import annotations

import torch
from torch import Tensor


class FiniteCheck:
    """Tells at some steps of an epoch whether the sum of the losses is finite; once it is not, it stays so.

    On a GPU the answer is that of the check before: its copy was begun then, and the device has had all steps since to
    finish it. So the host hardly ever waits, the device never runs out of work, and the step at which training ends
    does not depend on the speed of either. Elsewhere the answer is immediate.
    """

    def __init__(self, device: torch.device, *, delayed: bool | None = None) -> None:
        """Begin an epoch.

        Args:
            device: The device of the sums.
            delayed: Whether the answer is that of the check before; by default on a GPU.
        """
        self._delayed = device.type == "cuda" if delayed is None else delayed
        self._before: _Copy | None = None

    def __call__(self, total: Tensor) -> bool:
        """Return whether `total` (), or where delayed that of the call before, is finite; True at a first such call."""
        answer, before = _Copy(torch.isfinite(total)), self._before
        if not self._delayed:
            return answer.value()
        self._before = answer
        return before is None or before.value()


class _Copy:
    """A truth value () on its way to the CPU."""

    def __init__(self, flag: Tensor) -> None:
        on_gpu = flag.device.type == "cuda"
        # To the CPU without waiting: torch then copies into pinned memory.
        self._flag = flag.to("cpu", non_blocking=True) if on_gpu else flag
        self._copied = torch.cuda.Event() if on_gpu else None  # type: ignore[no-untyped-call]
        if self._copied is not None:
            self._copied.record()

    def value(self) -> bool:
        """Return it, once the device has got that far."""
        if self._copied is not None:
            self._copied.synchronize()
        return bool(self._flag)
