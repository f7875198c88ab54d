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
from cifar_sweep.inference.metrics import Tally
from cifar_sweep.optim.update import Update

Result = tuple[Tensor, Tensor]
BatchKind = tuple[torch.Size, bool]
Record = Callable[[Callable[[], None]], Callable[[], None]]
WARM_UPS = 3  # passes before a capture, in which cuDNN and cuBLAS set up what must not be set up inside one


class Step(Protocol):
    """A training step in its parts; see `execution.Eager`."""

    network: nn.Module
    update: Update
    tally: Tally

    def begin(self, mixed: Mixed) -> None:
        """Do what depends on the host."""

    def gradients(self, mixed: Mixed) -> Result:
        """Leave the gradients in the parameters; return the loss () and the logits (B, classes), detached."""

    def finish(self, result: Result, labels: Tensor) -> None:
        """Update the weights, and count."""


class Replayed:
    """An execution that records each kind of batch once and then replays the recording.

    A recording holds the whole step, or its forward and backward pass alone where the update cannot be captured. The
    moving average and lookahead follow it: each is one operation, with a number that differs from step to step.

    Recordings are dropped when other parameters are trained, or other layers are in training mode, than before: when
    an epoch unfreezes a part of the network.
    """

    def __init__(self, step: Step, record: Record) -> None:
        """Wrap a step.

        Args:
            step: The step to record.
            record: Takes the work and returns what repeats it: `capture` on a GPU, `run_directly` on a CPU.
        """
        self._step = step
        self._record = record
        self._mode = training_mode(step.network)
        self._recordings: dict[BatchKind, Recording] = {}

    def __call__(self, mixed: Mixed) -> Result:
        """Run a step, as `Execution` does."""
        kind = batch_kind(mixed)
        self._step.begin(mixed)
        if kind not in self._recordings:
            self._recordings[kind] = Recording(self._step, mixed, self._record)
        result = self._recordings[kind](mixed)
        if not self._step.update.can_be_captured:
            self._step.finish(result, mixed.labels)
        return result

    def begin_epoch(self) -> None:
        """Drop the recordings if the network's mode has changed."""
        if self._mode != (mode := training_mode(self._step.network)):
            self._mode = mode
            self._recordings.clear()


class Recording:
    """The recorded step over batches of one kind, with the tensors that it reads and writes."""

    def __init__(self, step: Step, mixed: Mixed, record: Record) -> None:
        """Record the step over `mixed`; all that it changes is left as it was."""
        self._step = step
        share = None if mixed.share is None else mixed.share.clone()
        # clone() preserves the memory format: the images stay channels last.
        self._batch = Mixed(mixed.images.clone(), mixed.labels.clone(), mixed.partners.clone(), share)
        self._result: Result | None = None
        self._gradients: list[Tensor | None] = []
        restore = snapshot(step, mixed.images.device)
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
        for parameter, gradient in zip(self._step.network.parameters(), self._gradients, strict=True):
            parameter.grad = gradient
        assert self._result is not None, "the work runs at least once while it is recorded or repeated"
        return self._result

    def _work(self) -> None:
        self._result = self._step.gradients(self._batch)
        if self._step.update.can_be_captured:
            self._step.finish(self._result, self._batch.labels)
        self._gradients = [parameter.grad for parameter in self._step.network.parameters()]


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
    # A capture forbids some calls to every thread unless told to this one only: the thread that writes a checkpoint may
    # give back the pinned memory of its copy at any moment.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
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


def snapshot(step: Step, device: torch.device) -> Restore:
    """Return a function that resets all that a step changes to its value at this call; gradients are removed.

    These are the weights, the network's buffers, the state of optimizer and loss scaler, the tally and the random
    generators. Every tensor keeps its place, since graphs read and write it there.
    """
    tally = step.tally
    tensors = [*step.network.parameters(), *step.network.buffers(), *step.update.scaler.tensors()]
    values = [(tensor, tensor.detach().clone()) for tensor in (*tensors, tally.loss, tally.correct)]
    count, restore_optimizer = tally.count, _optimizer_snapshot(step.update.optimizer)
    cpu_state = torch.get_rng_state()
    generator = torch.cuda.default_generators[_index(device)] if device.type == "cuda" else None
    generator_state = generator.clone_state() if generator is not None else None

    @torch.no_grad()
    def restore(*, capture_failed: bool = False) -> None:
        for tensor, value in values:
            tensor.copy_(value)
        tally.count = count
        restore_optimizer()
        step.update.scaler.forget_step()
        step.network.zero_grad(set_to_none=True)
        torch.set_rng_state(cpu_state)
        if generator is None or generator_state is None:
            return
        if capture_failed:
            generator.graphsafe_set_state(generator_state)  # a state object that no capture has touched
        else:
            # In place: captured graphs draw from the generator's present state object.
            generator.set_state(generator_state.get_state())

    return restore


def _optimizer_snapshot(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    """Return a function that resets an optimizer's state to that at this call, with what came later at its start."""
    saved = {
        (parameter, name): value.clone() if isinstance(value, Tensor) else value
        for parameter, state in optimizer.state.items()
        for name, value in state.items()
    }

    def restore() -> None:
        for parameter, state in optimizer.state.items():
            for name, value in state.items():
                before = saved.get((parameter, name), 0)  # every optimizer here starts from zeros
                if isinstance(value, Tensor):
                    value.copy_(before) if isinstance(before, Tensor) else value.fill_(before)
                else:
                    state[name] = before

    return restore


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index
