"""Record the work of a training step as a CUDA graph and replay it, and what such a recording depends on.

A recording works on fixed memory: the same parameters, buffers and batch tensors at each replay. So a batch is copied
into the recording's own tensors first, and there is one recording per kind of batch (`batch_kind`) and per state of the
network (`training_mode`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from cifar_sweep.augment import Mixed

Result = tuple[Tensor, Tensor]
BatchKind = tuple[torch.Size, bool]
Record = Callable[[Callable[[], None]], Callable[[], None]]
WARM_UPS = 3  # passes before a capture, in which cuDNN and cuBLAS set up what must not be set up inside one


class Pass(Protocol):
    """A forward and backward pass of `network` that leaves gradients in its parameters; see `execution.Eager`."""

    network: nn.Module

    def __call__(self, mixed: Mixed) -> Result:
        """Return the loss () and the logits (B, classes) of a batch, detached."""


class Replayed:
    """An execution that records each kind of batch once and then replays the recording.

    Recordings are dropped when other parameters are trained, or other layers are in training mode, than before: when
    an epoch unfreezes a part of the network.
    """

    def __init__(self, eager: Pass, record: Record) -> None:
        """Wrap a pass.

        Args:
            eager: The pass to record.
            record: Takes the work and returns what repeats it: `capture` on a GPU, `run_directly` on a CPU.
        """
        self._eager = eager
        self._record = record
        self._mode = training_mode(eager.network)
        self._recordings: dict[BatchKind, Recording] = {}

    def __call__(self, mixed: Mixed) -> Result:
        """Run a step, as `Execution` does."""
        kind = batch_kind(mixed)
        if kind not in self._recordings:
            self._recordings[kind] = Recording(self._eager, mixed, self._record)
        return self._recordings[kind](mixed)

    def begin_epoch(self) -> None:
        """Drop the recordings if the network's mode has changed."""
        if self._mode != (mode := training_mode(self._eager.network)):
            self._mode = mode
            self._recordings.clear()


class Recording:
    """The recorded pass over batches of one kind, with the tensors that it reads and writes."""

    def __init__(self, eager: Pass, mixed: Mixed, record: Record) -> None:
        """Record the pass over `mixed`; batch norm's statistics and the random generators are left as they were."""
        self._eager = eager
        share = None if mixed.share is None else mixed.share.clone()
        # clone() preserves the memory format: the images stay channels last.
        self._batch = Mixed(mixed.images.clone(), mixed.labels.clone(), mixed.partners.clone(), share)
        self._result: Result | None = None
        self._gradients: list[Tensor | None] = []
        restore = snapshot(eager.network, mixed.images.device)
        self._repeat = record(self._work)
        restore()

    def __call__(self, mixed: Mixed) -> Result:
        """Run a step, as `Execution` does."""
        self._batch.images.copy_(mixed.images)
        self._batch.labels.copy_(mixed.labels)
        if mixed.share is not None and self._batch.share is not None:
            self._batch.partners.copy_(mixed.partners)
            self._batch.share.copy_(mixed.share)
        self._repeat()
        # The previous step may have left the gradients of another kind's recording in the parameters.
        for parameter, gradient in zip(self._eager.network.parameters(), self._gradients, strict=True):
            parameter.grad = gradient
        assert self._result is not None, "the work runs at least once while it is recorded or repeated"
        return self._result

    def _work(self) -> None:
        self._result = self._eager(self._batch)
        self._gradients = [parameter.grad for parameter in self._eager.network.parameters()]


def run_directly(work: Callable[[], None]) -> Callable[[], None]:
    """Return the work itself, unrecorded, for a device without graphs. It first runs when it is first repeated."""
    return work


def capture(work: Callable[[], None]) -> Callable[[], None]:
    """Capture the work as a CUDA graph (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).

    The work must set gradients to None before it makes them, so that a replay writes them instead of adding to them.

    Args:
        work: Called `WARM_UPS` times before the capture and once during it.

    Returns:
        A function that replays the graph.
    """
    # CUDA graphs want their warm-up on a stream other than the default one.
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def batch_kind(mixed: Mixed) -> BatchKind:
    """Return the shape of a batch's images, and whether it is mixed."""
    return (mixed.images.shape, mixed.share is not None)


def training_mode(network: nn.Module) -> tuple[bool, ...]:
    """Return which parameters are trained, then which modules are in training mode."""
    trained = (parameter.requires_grad for parameter in network.parameters())
    return (*trained, *(module.training for module in network.modules()))


class Restore(Protocol):
    """The function that `snapshot` returns."""

    def __call__(self, *, capture_failed: bool = False) -> None:
        """Restore the state of the snapshot.

        Args:
            capture_failed: A capture was aborted, which may leave the GPU's generator as if it were still inside.
        """


def snapshot(network: nn.Module, device: torch.device) -> Restore:
    """Return a function that resets the network's buffers (batch norm's statistics) and the random generators.

    They are reset to their values at this call; gradients are removed.
    """
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    cpu_state = torch.get_rng_state()
    generator = torch.cuda.default_generators[_index(device)] if device.type == "cuda" else None
    generator_state = generator.clone_state() if generator is not None else None

    def restore(*, capture_failed: bool = False) -> None:
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
        network.zero_grad(set_to_none=True)
        torch.set_rng_state(cpu_state)
        if generator is None or generator_state is None:
            return
        if capture_failed:
            generator.graphsafe_set_state(generator_state)  # a state object that no capture has touched
        else:
            # In place: captured graphs draw from the generator's present state object.
            generator.set_state(generator_state.get_state())

    return restore


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index
