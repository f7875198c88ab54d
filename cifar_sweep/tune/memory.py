"""How much memory a step of training takes, and how much there is."""

from __future__ import annotations

import gc
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

MIB = 2**20
SAFE_SHARE = 0.9  # the rest is for validation, averages, a teacher, and what the allocator cannot use
CPU_SAFE_SHARE = 0.7  # there the need is estimated, and going over it does not end gracefully
PROBED = (4, 8)  # batch sizes from which the estimate draws its line
CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class Appetite:
    """The bytes that a step of training takes on a CPU: `fixed`, and `per_image` for each of the batch."""

    fixed: float
    per_image: float

    def bytes(self, batch_size: int) -> float:
        """The estimate for a batch."""
        return self.fixed + self.per_image * batch_size

    @classmethod
    def measured(
        cls, network: nn.Module, optimizer: torch.optim.Optimizer, forward: Callable[[int], Tensor]
    ) -> Appetite:
        """From what two small batches keep for their backward pass; `forward` takes a batch's size to its loss.

        Added are weights, gradients and the optimizer's state, and twice the largest tensor that is kept, for the
        gradients of a layer's output and input. Convolutions' own working memory is not seen.
        """
        first, second = (_kept(network, forward, size) for size in PROBED)
        network.zero_grad(set_to_none=True)
        weights = sum(parameter.nbytes for parameter in network.parameters())
        state = sum(
            value.nbytes for each in optimizer.state.values() for value in each.values() if isinstance(value, Tensor)
        )
        per_image = (second - first) / (PROBED[1] - PROBED[0])
        return cls(fixed=max(0.0, first - per_image * PROBED[0]) + 2 * weights + state, per_image=per_image)


def _kept(network: nn.Module, forward: Callable[[int], Tensor], batch_size: int) -> float:
    """Bytes of the tensors, other than weights, that a forward pass keeps, with a backward pass after it."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = forward(batch_size)
    loss.backward()  # type: ignore[no-untyped-call]
    return sum(kept.values()) + 2 * max(kept.values(), default=0)


def available_bytes() -> float:
    """The memory of this machine, or of this process's control group where that has less, that is free."""
    free = _meminfo("MemAvailable")
    try:
        limit = (CGROUP / "memory.max").read_text(encoding="utf-8").strip()
        used = int((CGROUP / "memory.current").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return free
    return free if limit == "max" else min(free, max(0, int(limit) - used))


def peak_and_total_mib(device: torch.device) -> tuple[float, float]:
    """The most memory that this process has held on `device` so far, and how much the device has, in MiB."""
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        return torch.cuda.max_memory_allocated(device) / MIB, total / MIB
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB, _meminfo("MemTotal") / MIB


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out: torch's on a GPU, Python's, or the CPU allocator's RuntimeError."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


@contextmanager
def gpu_limit(device: torch.device, share: float) -> Iterator[None]:
    """Let this process have `share` of a GPU's memory at the most; what it holds when this ends is given back."""
    torch.cuda.set_per_process_memory_fraction(min(1.0, max(0.0, share)), device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        gc.collect()
        torch.cuda.empty_cache()


def _meminfo(name: str) -> float:
    for line in MEMINFO.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return float(value.split()[0]) * 1024
    raise ValueError(f"{MEMINFO} has no {name}")
