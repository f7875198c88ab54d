"""The peak memory of a run on its GPU."""

from __future__ import annotations

import torch

from sweeps.workload import GPU_MEMORY

MIB = 2**20


def peak_memory(device: str) -> dict[str, float]:
    """Return `gpu_memory_mib`, the most that tensors have taken since the run began or continued, in MiB.

    It is what a run needs, the same in any process. What the process holds besides comes on top: torch's cache of freed
    memory, and the context of CUDA with its libraries, some hundred MiB. Empty on other devices. The host does not wait
    for the device.

    Args:
        device: The run's device, "cuda" or another.
    """
    return {GPU_MEMORY: torch.cuda.max_memory_allocated() / MIB} if device == "cuda" else {}
