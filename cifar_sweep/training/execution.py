"""How a step's forward and backward pass are executed: as written, compiled, or as one recorded CUDA graph.

Whatever the way, the numbers are meant to be those of the plain one. What goes wrong is a reason to go on plainly,
never to fail: a network that cannot be compiled or captured is trained eagerly, and the run's log says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from cifar_sweep.augment import Mixed
from cifar_sweep.inference.precision import autocast
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.loss import Objective

Way = Literal["eager", "graph", "compile"]
Result = tuple[Tensor, Tensor]
Kind = tuple[torch.Size, bool]
Record = Callable[[Callable[[], None]], Callable[[], None]]
WARM_UPS = 3  # passes before a capture, in which cuDNN and cuBLAS set up what must not be set up inside one


class Execution(Protocol):
    """The forward and backward pass of a step."""

    def __call__(self, mixed: Mixed) -> Result:
        """The loss () and the logits (B, classes) of a batch, detached; its gradients are left in the parameters.

        Both may be overwritten by the next call.
        """

    def renew(self) -> None:
        """An epoch begins: since the last call, parameters may have been frozen or unfrozen, layers switched over."""


class Eager:
    """Operation by operation, as written."""

    def __init__(self, network: nn.Module, objective: Objective, precision: Literal["fp32", "bf16"]) -> None:
        self.network = network
        self.objective = objective
        self.precision = precision
        self.forward: Callable[[Tensor], Tensor] = network

    def __call__(self, mixed: Mixed) -> Result:
        """As `Execution`."""
        with autocast(self.precision, mixed.images.device):
            logits = self.forward(mixed.images)
            loss = self.objective(logits, mixed)
        self.network.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), logits.detach()

    def renew(self) -> None:
        """Nothing is kept that could grow old."""


class Compiled(Eager):
    """With the forward pass, and so the backward pass, compiled by torch. Random numbers are drawn as eagerly."""

    def __init__(self, eager: Eager) -> None:
        super().__init__(eager.network, eager.objective, eager.precision)
        torch.compiler.reset()  # a reused worker would give up compiling after some networks of one class
        # One thread: a run has a core to itself, and the processes of a larger pool would stay with its worker.
        options: dict[str, Any] = {"fallback_random": True, "compile_threads": 1}
        self.forward = torch.compile(eager.network, dynamic=False, options=options)


class Replayed:
    """Recorded once over buffers that stay where they are, then replayed; each kind of batch has its own recording.

    The recordings are made anew when other parameters are trained, or other layers are in training mode, than before:
    when an epoch unfreezes a part. `record` turns the work into what repeats it; on a CPU, where there are no CUDA
    graphs, the work is its own repetition.
    """

    def __init__(self, eager: Eager, record: Record) -> None:
        self._eager = eager
        self._record = record
        self._mode = mode_of(eager.network)
        self._recordings: dict[Kind, Recording] = {}

    def __call__(self, mixed: Mixed) -> Result:
        """As `Execution`."""
        kind = kind_of(mixed)
        if kind not in self._recordings:
            self._recordings[kind] = Recording(self._eager, mixed, self._record)
        return self._recordings[kind](mixed)

    def renew(self) -> None:
        """Forget the recordings where they are no longer good."""
        if self._mode != (mode := mode_of(self._eager.network)):
            self._mode = mode
            self._recordings.clear()


class Recording:
    """The pass over batches of one kind: its buffers, and what repeats the work on them."""

    def __init__(self, eager: Eager, mixed: Mixed, record: Record) -> None:
        self._eager = eager
        share = None if mixed.share is None else mixed.share.clone()
        # preserve_format: the images stay channels last.
        self._batch = Mixed(mixed.images.clone(), mixed.labels.clone(), mixed.partners.clone(), share)
        self._result: Result | None = None
        self._gradients: list[Tensor | None] = []
        restore = state_of(eager.network, mixed.images.device)
        self._repeat = record(self._work)
        restore()

    def __call__(self, mixed: Mixed) -> Result:
        """As `Execution`."""
        self._batch.images.copy_(mixed.images)
        self._batch.labels.copy_(mixed.labels)
        if mixed.share is not None and self._batch.share is not None:
            self._batch.partners.copy_(mixed.partners)
            self._batch.share.copy_(mixed.share)
        self._repeat()
        for parameter, gradient in zip(self._eager.network.parameters(), self._gradients, strict=True):
            parameter.grad = gradient  # of this recording: another kind's may be there from the step before
        assert self._result is not None, "the work has been done once, at the recording"
        return self._result

    def _work(self) -> None:
        self._result = self._eager(self._batch)
        self._gradients = [parameter.grad for parameter in self._eager.network.parameters()]


class Guarded:
    """Another execution as long as it works; from its first failure on, the plain one.

    A first call, and each that may compile or capture anew, leaves batch norm's statistics and the random numbers as
    they were where it fails. `failure` says what went wrong, and so does one line through `log`.
    """

    def __init__(self, name: Way, make: Callable[[], Execution], eager: Eager, log: Callable[[str], None]) -> None:
        self._name = name
        self._eager = eager
        self._log = log
        self._make: Callable[[], Execution] | None = make
        self._other: Execution = eager
        self._proven: set[Kind] = set()
        self._mode = mode_of(eager.network)
        self.failure = ""

    def __call__(self, mixed: Mixed) -> Result:
        """As `Execution`."""
        if self.failure:
            return self._eager(mixed)
        kind = kind_of(mixed)
        if kind in self._proven:
            return self._other(mixed)
        restore = state_of(self._eager.network, mixed.images.device)
        try:
            if self._make is not None:
                self._other, self._make = self._make(), None
            result = self._other(mixed)
        except Exception as error:  # noqa: BLE001  (whatever compilers and drivers raise: the plain way is there)
            self.failure = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        else:
            self._proven.add(kind)
            return result
        self._other, self._make = self._eager, None
        restore(broken=True)
        self._log(f"execution: {self._name} failed, so this run goes on eagerly: {self.failure}")
        return self._eager(mixed)

    def renew(self) -> None:
        """Prove anew what may be compiled or captured anew."""
        self._other.renew()
        if self._mode != (mode := mode_of(self._eager.network)):
            self._mode = mode
            self._proven.clear()


def execution_of(recipe: Recipe, eager: Eager, device: torch.device, log: Callable[[str], None]) -> Execution:
    """How a run of `recipe` executes `eager`'s pass on `device`.

    `auto` is eager here: it is settled for a whole study, by `prepare`, or not at all. So is a hierarchical model,
    whose many small networks would each hold the memory of a graph.
    """
    name = recipe.execution
    if name == "auto" or name == "eager" or isinstance(recipe.model, HierarchicalRecipe):
        return eager
    return Guarded(name, lambda: WAYS[name](eager, device), eager, log)


def _replayed(eager: Eager, device: torch.device) -> Execution:
    return Replayed(eager, captured if device.type == "cuda" else unrecorded)


def _compiled(eager: Eager, device: torch.device) -> Execution:
    return Compiled(eager)


WAYS: dict[str, Callable[[Eager, torch.device], Execution]] = {"graph": _replayed, "compile": _compiled}
"""The ways beside the eager one."""


def unrecorded(work: Callable[[], None]) -> Callable[[], None]:
    """The work itself, for a device without graphs; the first time it is repeated it is done."""
    return work


def captured(work: Callable[[], None]) -> Callable[[], None]:
    """The work as a CUDA graph (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).

    It is done a few times beforehand, on a stream of its own. Gradients are set to None in it before they are made, so
    a replay writes them instead of adding to them.
    """
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


def kind_of(mixed: Mixed) -> Kind:
    """The shape of a batch's images, and whether it is mixed: what a recording is good for, beside the mode."""
    return (mixed.images.shape, mixed.share is not None)


def mode_of(network: nn.Module) -> tuple[bool, ...]:
    """Which parameters are trained and which modules are in training mode."""
    trained = (parameter.requires_grad for parameter in network.parameters())
    return (*trained, *(module.training for module in network.modules()))


class Restore(Protocol):
    """Puts back what `state_of` has kept."""

    def __call__(self, *, broken: bool = False) -> None:
        """`broken`: a capture has failed, which may have left the GPU's generator as if still inside of it."""


def state_of(network: nn.Module, device: torch.device) -> Restore:
    """A function that puts the buffers of `network` (batch norm's statistics) and the generators back as they are now.

    It leaves no gradients.
    """
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    numbers = torch.get_rng_state()
    on_device = torch.cuda.default_generators[_index(device)] if device.type == "cuda" else None
    kept = on_device.clone_state() if on_device is not None else None

    def restore(*, broken: bool = False) -> None:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        network.zero_grad(set_to_none=True)
        torch.set_rng_state(numbers)
        if on_device is None or kept is None:
            return
        if broken:
            on_device.graphsafe_set_state(kept)  # a state object that no capture has seen
        else:
            on_device.set_state(kept.get_state())  # in place: graphs draw from this state object

    return restore


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index
