"""Send tensors to a device and read numbers from it, in one copy each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cifar_sweep.device.float64 import sum_type

ALIGNMENT = 16  # bytes: a tensor in the copy begins at a multiple, which any type of numbers can be read from


def send(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Return tensors of the CPU on `device`, moved as one copy, which the CPU does not wait for where that is CUDA.

    Args:
        tensors: Tensors on the CPU, of any types.
        device: Where they are moved; those for the CPU are returned as they are.
    """
    if device.type == "cpu":
        return list(tensors)
    lengths = [math.ceil(values.nbytes / ALIGNMENT) * ALIGNMENT for values in tensors]
    # CUDA copies in the background from pinned memory alone; its allocator keeps the memory until the copy is done.
    packed = torch.empty(sum(lengths), dtype=torch.uint8, pin_memory=device.type == "cuda")
    for part, values in zip(torch.split(packed, lengths), tensors, strict=True):
        _as(part, values).copy_(values)
    moved = packed.to(device, non_blocking=device.type == "cuda")
    return [_as(part, values) for part, values in zip(torch.split(moved, lengths), tensors, strict=True)]


def read(*numbers: Tensor) -> list[float]:
    """Return numbers () of one device as float64; the host waits for the device once, where there are any."""
    if not numbers:
        return []
    if sum_type(numbers[0].device) != torch.float64:
        return [float(number) for number in numbers]
    values: list[float] = torch.stack([number.double() for number in numbers]).tolist()
    return values


def _as(part: Tensor, like: Tensor) -> Tensor:
    """Return the first bytes of `part` as a tensor of the type and shape of `like`."""
    return part[: like.nbytes].view(like.dtype).view(like.shape)
