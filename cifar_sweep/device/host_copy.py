"""Copy a training's state into the memory of the host, so that it can be written while training goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor


def host_copy(state: Any) -> Any:
    """Return a copy of a state with all of its tensors on the CPU. It is complete when the function returns.

    Tensors of a GPU are copied into pinned memory, all of them before the host waits, once. What shares its memory
    does so in the copy.

    Args:
        state: Mappings and sequences of tensors and plain values.
    """
    copies: dict[Any, Tensor] = {}
    known: dict[int, Any] = {}  # what `deepcopy` takes as copied already, by identity
    for tensor in _tensors(state):
        if tensor.device.type != "cpu":
            key = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
            if key not in copies:
                copies[key] = tensor.detach().to("cpu", non_blocking=_is_cuda(tensor))
            known[id(tensor)] = copies[key]
    for device in {tensor.device for tensor in _tensors(state) if _is_cuda(tensor)}:
        torch.cuda.current_stream(device).synchronize()
    return deepcopy(state, known)


def _is_cuda(tensor: Tensor) -> bool:
    return tensor.device.type == "cuda"


def _tensors(state: Any) -> Iterator[Tensor]:
    """Yield every tensor in nested mappings and sequences."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, Mapping):
        for value in state.values():
            yield from _tensors(value)
    elif isinstance(state, Sequence) and not isinstance(state, str):
        for value in state:
            yield from _tensors(value)
