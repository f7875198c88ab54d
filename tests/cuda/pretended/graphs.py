"""CUDA graphs: operators recorded to a tape and replayed into the same memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from tests.cuda.pretended.device import Device, plain


class Tape:
    """The operators of a capture.

    A capture computes nothing on a GPU. Here the operators run while they are recorded, since their results have
    shapes; afterwards what they have written is put back, and the tape's own memory holds nothing of use until the
    first replay.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[Any, Any, Any, list[Tensor], list[bool]]] = []
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self._own: set[int] = set()
        self._generator_state = torch.get_rng_state()

    def add(self, func: Any, args: Any, kwargs: Any, outputs: list[Tensor], new: list[bool]) -> None:
        """Record an operator with the tensors of its result; the new ones are the tape's own memory."""
        self._steps.append((func, args, kwargs, outputs, new))
        self._own |= {output.untyped_storage()._cdata for output, is_new in zip(outputs, new, strict=True) if is_new}

    def keep(self, tensors: Sequence[Tensor]) -> None:
        """Keep the values of tensors that an operator is about to write into."""
        with plain():
            for tensor in tensors:
                key = tensor.untyped_storage()._cdata
                if key not in self._own and key not in self._kept:
                    whole = _whole(tensor)
                    self._kept[key] = (whole, whole.clone())

    def end(self) -> None:
        """End the capture: put back what was written, and spoil the tape's own memory."""
        with plain(), torch.no_grad():
            for whole, value in self._kept.values():
                whole.copy_(value)
            for _, _, _, outputs, new in self._steps:
                for output, is_new in zip(outputs, new, strict=True):
                    if is_new and output.is_floating_point():
                        output.detach().fill_(float("nan"))
            torch.set_rng_state(self._generator_state)
        self._kept.clear()

    def replay(self) -> None:
        """Execute the operators again, into the same memory."""
        with plain(), torch.no_grad():
            for func, args, kwargs, outputs, new in self._steps:
                results = [leaf for leaf in tree_leaves(func(*args, **kwargs)) if isinstance(leaf, Tensor)]
                for output, result, is_new in zip(outputs, results, new, strict=True):
                    if is_new:
                        output.detach().copy_(result)


class Graph:
    """In place of torch.cuda.CUDAGraph."""

    device: Device

    def __init__(self, keep_graph: bool = False) -> None:
        self._tape: Tape | None = None

    def capture_begin(self, pool: Any = None, capture_error_mode: str = "global") -> None:
        """Begin to record."""
        if self.device.tape is not None:
            raise RuntimeError("a capture within a capture")
        self.device.require_sound()
        self._tape = self.device.tape = Tape()

    def capture_end(self) -> None:
        """End the recording."""
        tape, self.device.tape = self.device.tape, None
        if tape is not None:
            tape.end()

    def replay(self) -> None:
        """Replay the recording, as one launch."""
        if self._tape is None:
            raise RuntimeError("Called CUDAGraph::replay without a preceding successful capture.")
        self.device.require_sound()
        self.device.launch("graph replay")
        self._tape.replay()

    def reset(self) -> None:
        """Drop the recording."""
        self._tape = None

    def pool(self) -> tuple[int, int]:
        """Return the name of a memory pool."""
        return (0, 0)

    def register_generator_state(self, generator: Any) -> None:
        """Do nothing: the default generator is registered in any case."""


@contextmanager
def captured(
    cuda_graph: Graph, pool: Any = None, stream: Any = None, capture_error_mode: str = "global"
) -> Iterator[None]:
    """In place of torch.cuda.graph: record the operators inside."""
    cuda_graph.device.wait("capture")
    cuda_graph.device.log.calls["capture"] += 1
    gc.collect()
    cuda_graph.device.memory.empty_cache()
    cuda_graph.capture_begin(pool, capture_error_mode)
    try:
        yield
    except BaseException:
        cuda_graph.capture_end()
        cuda_graph.reset()
        raise
    cuda_graph.capture_end()


def _whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor's storage, as bytes."""
    return torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
