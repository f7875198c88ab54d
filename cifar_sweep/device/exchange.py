"""Send tensors to a device and read numbers from it, in one copy each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def send(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Copy tensors from the CPU to a device.

    For a GPU they are packed into one copy from pinned memory, for which the host does not wait.

    Args:
        tensors: Integers or booleans, all of one shape, on the CPU. They must not be changed afterwards.
        device: Where they are needed. On the CPU they are returned themselves.
    """
    if device.type != "cuda":
        return [tensor.to(device) for tensor in tensors]
    packed = torch.stack([tensor.long() for tensor in tensors]).pin_memory().to(device, non_blocking=True)
    return [row.to(tensor.dtype) for row, tensor in zip(packed, tensors, strict=True)]


def read(*numbers: Tensor) -> list[float]:
    """Return numbers () of one device as float64; the host waits for the device once, where there are any."""
    if not numbers:
        return []
    if numbers[0].device.type == "mps":  # which has no float64
        return [float(number) for number in numbers]
    values: list[float] = torch.stack([number.double() for number in numbers]).tolist()
    return values
