"""How much memory a step of training takes, and how much there is."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import torch
from torch import Tensor, nn

from cifar_sweep.device.occupied import release

MIB = 2**20
SAFE_SHARE = 0.9  # the rest is for validation, augmentation, and what the allocator cannot use
CPU_SAFE_SHARE = 0.7  # less than on a GPU: the need is only estimated, and a process that exceeds it is killed
PROBED = (4, 8)  # batch sizes from which the estimate is extrapolated
CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
EQUIVALENTS = {"MemAvailable": "available", "MemTotal": "total"}  # psutil's names of the entries


@dataclass(frozen=True)
class MemoryEstimate:
    """An estimate of the memory that a step of training takes on a CPU.

    Attributes:
        fixed: Bytes for any batch.
        per_image: Further bytes for each image of the batch.
    """

    fixed: float
    per_image: float

    def bytes(self, batch_size: int) -> float:
        """Return the estimate for a batch, in bytes."""
        return self.fixed + self.per_image * batch_size

    @classmethod
    def measured(
        cls, network: nn.Module, optimizer: torch.optim.Optimizer, forward: Callable[[int], Tensor]
    ) -> MemoryEstimate:
        """Estimate from the tensors that two small batches keep for their backward pass.

        Weights, gradients and the optimizer's state are added, and twice the largest tensor that is kept, for the
        gradients of a layer's output and input. The working memory of convolutions is not included.

        Args:
            network: The network to train.
            optimizer: Its optimizer, which has taken a step and so has its state.
            forward: Returns the loss of a batch of a given size.
        """
        first, second = (_kept_bytes(network, forward, size) for size in PROBED)
        network.zero_grad(set_to_none=True)
        weights = sum(parameter.nbytes for parameter in network.parameters())
        state = sum(
            value.nbytes
            for parameter_state in optimizer.state.values()
            for value in parameter_state.values()
            if isinstance(value, Tensor)
        )
        per_image = (second - first) / (PROBED[1] - PROBED[0])
        return cls(fixed=max(0.0, first - per_image * PROBED[0]) + 2 * weights + state, per_image=per_image)


def _kept_bytes(network: nn.Module, forward: Callable[[int], Tensor], batch_size: int) -> float:
    """Return the bytes of the tensors, other than weights, that a forward pass keeps; a backward pass follows."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        # By storage: several views of one tensor take its memory once.
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = forward(batch_size)
    loss.backward()  # type: ignore[no-untyped-call]
    return sum(kept.values()) + 2 * max(kept.values(), default=0)


def available_bytes() -> float:
    """Return the free memory of this machine, or of this process's control group where that has less, in bytes."""
    free = _meminfo("MemAvailable")
    try:
        limit = (CGROUP / "memory.max").read_text(encoding="utf-8").strip()
        used = int((CGROUP / "memory.current").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return free
    return free if limit == "max" else min(free, max(0, int(limit) - used))


def peak_and_total_mib(device: torch.device) -> tuple[float, float]:
    """Return the most memory that this process has held on a device so far, and what the device has, in MiB."""
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        return torch.cuda.max_memory_allocated(device) / MIB, total / MIB
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB, _meminfo("MemTotal") / MIB


@contextmanager
def gpu_limit(device: torch.device, share: float) -> Iterator[None]:
    """Limit this process to a share of a GPU's memory; on leaving, unused memory is given back to the device."""
    torch.cuda.set_per_process_memory_fraction(min(1.0, max(0.0, share)), device)
    try:
        yield
    finally:
        with suppress(RuntimeError):  # a lost device must not cover the error that lost it
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        release(device.type)


def _meminfo(name: str) -> float:
    """Return an entry of /proc/meminfo in bytes, or its equivalent where there is no such file, as on macOS."""
    try:
        lines = MEMINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return float(getattr(psutil.virtual_memory(), EQUIVALENTS[name]))
    for line in lines:
        key, _, value = line.partition(":")
        if key == name:
            return float(value.split()[0]) * 1024
    raise ValueError(f"{MEMINFO} has no {name}")
