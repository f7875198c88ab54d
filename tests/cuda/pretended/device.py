"""The state of the pretended device, and the errors it raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from tests.cuda.pretended.log import Log, product_place
from tests.cuda.pretended.memory import Memory

if TYPE_CHECKING:
    from tests.cuda.pretended.graphs import Tape

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
DETAILS = "CUDA kernel errors might be asynchronously reported at some other API call."
# torch 2.8 and newer raise this for CUDA's errors.
AcceleratorError: type[RuntimeError] = getattr(torch, "AcceleratorError", RuntimeError)


class DeviceMix(RuntimeError):
    """Tensors or generators of two devices met in one operator."""


class Device:
    """A pretended GPU.

    Attributes:
        name: Its name.
        capability: Its compute capability.
        bf16: Whether it computes in bfloat16.
        count: How many like it the machine has. A process uses the first.
        memory: Its memory.
        log: Counts of what was asked of it.
        initialised: Whether this process has a context on it.
        poisoned: The error that has ended the context; "" while it is sound.
        tape: The graph that is being captured; None while none is.
        in_device_call: Whether the Python call at hand has a tensor on the device and names no other.
        generator_on_device: Whether the generator of the Python call at hand is one of the device.
    """

    def __init__(self, total: int, count: int, bf16: bool) -> None:
        self.name = "Pretended GPU"
        self.capability = (9, 0) if bf16 else (7, 5)
        self.bf16 = bf16
        self.count = count
        self.memory = Memory(total)
        self.log = Log()
        self.initialised = False
        self.poisoned = ""
        self.tape: Tape | None = None
        self.in_device_call = False
        self.generator_on_device = False
        self._arriving: list[tuple[int, Tensor, Tensor]] = []
        self._sent = 0
        self._planned: tuple[int, Exception] | None = None

    def has(self, tensor: Tensor) -> bool:
        """Return whether a tensor lies on the device."""
        return self.memory.has(tensor)

    def put(self, tensor: Tensor) -> Tensor:
        """Note a tensor's storage as lying on the device, and return the tensor."""
        self.initialised = True
        self.memory.place(tensor.untyped_storage())
        return tensor

    @contextmanager
    def counted(self) -> Iterator[Log]:
        """Yield the counts of what is asked of the device inside."""
        outer, self.log = self.log, Log()
        try:
            yield self.log
        finally:
            self.log = outer

    def launch(self, operator: str) -> None:
        """Count a launch. Raises the error that `fail` planned for it."""
        self.log.operators[operator] += 1
        if self._planned is None:
            return
        launches, error = self._planned
        self._planned = (launches - 1, error) if launches > 1 else None
        if launches <= 1:
            raise error

    def wait(self, reason: str) -> None:
        """Count a wait of the host for the device. All that was under way has arrived then."""
        self.require_sound()
        place = product_place()
        if self.tape is not None:
            raise AcceleratorError(f"CUDA error: operation not permitted when stream is capturing\n{reason}: {place}")
        self.log.waits[f"{reason} ({place})"] += 1
        self.arrive()

    def fail(self, launches: int, error: Exception) -> None:
        """Raise `error` at a launch from now, 1 being the next one."""
        self._planned = (launches, error)

    def poison(self, error: str = "an illegal memory access was encountered") -> None:
        """End the context, as a fault in a kernel does: from now on every use of the device raises this error."""
        self.poisoned = error

    def require_sound(self) -> None:
        """Raise where the context is poisoned."""
        if self.poisoned:
            raise AcceleratorError(f"CUDA error: {self.poisoned}\n{DETAILS}")

    def send(self, host: Tensor, value: Tensor) -> None:
        """Begin to copy `value` into the memory of the host, which holds nothing of use until it has arrived."""
        self._sent += 1
        self._arriving.append((self._sent, host, value))
        with plain(), torch.no_grad():
            host.fill_(float("nan") if host.is_floating_point() else 1)

    @property
    def sent(self) -> int:
        """The number of copies to the host that were begun."""
        return self._sent

    def arrive(self, sent: int | None = None) -> None:
        """Let the copies to the host arrive that were begun, or the first `sent` of them."""
        last = self._sent if sent is None else sent
        due = [copy for copy in self._arriving if copy[0] <= last]
        self._arriving = [copy for copy in self._arriving if copy[0] > last]
        with plain(), torch.no_grad():
            for _, host, value in due:
                host.copy_(value)


@contextmanager
def plain() -> Iterator[None]:
    """Compute on the CPU without being seen."""
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        yield
