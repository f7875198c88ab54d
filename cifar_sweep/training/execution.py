"""How a training step is executed: eagerly, compiled, as a replayed CUDA graph, or compiled and replayed.

All ways are meant to give the numbers of the eager one. A network that cannot be compiled or captured is trained
eagerly instead, and the run's log says so.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from cifar_sweep.augment import Mixed
from cifar_sweep.inference.metrics import Tally
from cifar_sweep.inference.precision import HALF, Arithmetic, autocast
from cifar_sweep.models.half_weights import HalfWeights
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.optim.update import Update
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.graph import (
    BatchKind,
    Replayed,
    Result,
    batch_kind,
    capture,
    run_directly,
    snapshot,
    training_mode,
)
from cifar_sweep.training.loss import Objective

Way = Literal["eager", "graph", "compile", "compiled_graph"]


class Execution(Protocol):
    """A training step: forward and backward pass, the update of the weights, and the count of losses and hits."""

    def __call__(self, mixed: Mixed) -> Result:
        """Run a step on a batch.

        Returns:
            The loss () and the logits (B, classes), detached. Both may be overwritten by the next call.
        """

    def begin_epoch(self) -> None:
        """Take note that parameters may have been frozen or unfrozen, and layers switched between modes."""


class Eager:
    """The step executed operation by operation.

    Attributes:
        network: The network to train.
        objective: The loss.
        precision: The arithmetic of the forward pass.
        update: What is done with the gradients.
        tally: The sums of losses and hits.
        forward: What makes logits of images; the network itself unless a subclass compiles it.
    """

    def __init__(self, network: nn.Module, objective: Objective, precision: Arithmetic, update: Update) -> None:
        self.network = network
        self.objective = objective
        self.precision = precision
        self.update = update
        self.tally = Tally.empty(next(network.parameters()).device)
        self.forward: Callable[[Tensor], Tensor] = network
        self._halves = HalfWeights(network, HALF[precision]) if precision in HALF else None

    def __call__(self, mixed: Mixed) -> Result:
        """Run a step, as `Execution` does."""
        self.begin(mixed)
        result = self.gradients(mixed)
        self.finish(result, mixed.labels)
        return result

    def begin(self, mixed: Mixed) -> None:
        """Do what depends on the host and so cannot be in a CUDA graph."""
        self.update.begin_step()
        self.tally.count += len(mixed.labels)

    def gradients(self, mixed: Mixed) -> Result:
        """Run the forward and backward pass and leave the gradients in the parameters."""
        halves = self._halves.in_place() if self._halves is not None else nullcontext()
        with autocast(self.precision, mixed.images.device), halves:
            logits = self.forward(mixed.images)
            loss = self.objective(logits, mixed)
        # To None, not to zero: a captured backward pass then writes the gradients instead of adding to them.
        self.network.zero_grad(set_to_none=True)
        self.update.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach(), logits.detach()

    def finish(self, result: Result, labels: Tensor) -> None:
        """Update the weights, and add the batch to the tally but for its count."""
        self.update()
        self.tally.add_sums(*result, labels)

    def begin_epoch(self) -> None:
        """Do nothing: no state is kept between steps."""


class Compiled(Eager):
    """The step with its forward part, and so its backward part, compiled by torch. Random numbers are eager's."""

    def __init__(self, eager: Eager) -> None:
        super().__init__(eager.network, eager.objective, eager.precision, eager.update)
        self.tally = eager.tally
        self._halves = None  # casts are compiled into the operations beside them
        # torch stops compiling after some networks of one class, which a worker reaches over its trials.
        torch.compiler.reset()
        # One thread: a run has a core to itself, and the processes of a larger pool would stay with its worker.
        options: dict[str, Any] = {"fallback_random": True, "compile_threads": 1}
        self.forward = torch.compile(eager.network, dynamic=False, options=options)


class Guarded:
    """An execution that is replaced by the eager one at its first failure.

    Calls that may compile or capture (the first of each kind of batch in each mode of the network) restore all that a
    step changes where they fail, so that the eager step after it starts from the same state.

    Attributes:
        failure: The error and its first line; empty while nothing has failed. It is logged too.
    """

    def __init__(self, name: Way, make: Callable[[], Execution], eager: Eager, log: Callable[[str], None]) -> None:
        """Guard an execution.

        Args:
            name: The execution's name, for the log.
            make: Makes the execution, at the first call.
            eager: The execution to fall back to.
            log: Writes a line to the run's log.
        """
        self._name = name
        self._eager = eager
        self._log = log
        self._make: Callable[[], Execution] | None = make
        self._execution: Execution = eager
        self._proven: set[BatchKind] = set()
        self._mode = training_mode(eager.network)
        self.failure = ""

    def __call__(self, mixed: Mixed) -> Result:
        """Run a step, as `Execution` does."""
        if self.failure:
            return self._eager(mixed)
        kind = batch_kind(mixed)
        if kind in self._proven:
            return self._execution(mixed)
        restore = snapshot(self._eager, mixed.images.device)
        try:
            if self._make is not None:
                self._execution, self._make = self._make(), None
            result = self._execution(mixed)
        except Exception as error:  # noqa: BLE001  (compilers and drivers raise anything; the eager way remains)
            self.failure = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        else:
            self._proven.add(kind)
            return result
        # Outside the handler: the error's traceback would keep the failed execution's tensors alive.
        self._execution, self._make = self._eager, None
        restore(capture_failed=True)
        self._log(f"execution: {self._name} failed, so this run goes on eagerly: {self.failure}")
        return self._eager(mixed)

    def begin_epoch(self) -> None:
        """Prove each kind of batch again if the network's mode has changed."""
        self._execution.begin_epoch()
        if self._mode != (mode := training_mode(self._eager.network)):
            self._mode = mode
            self._proven.clear()


def make_execution(recipe: Recipe, eager: Eager, device: torch.device, log: Callable[[str], None]) -> Execution:
    """Return the execution of a run.

    `execution: auto` is eager here, since `prepare` settles it for a whole study or not at all. Hierarchical models are
    eager too: each of their many small networks would hold the memory of a graph.

    Args:
        recipe: The recipe; its `execution` names the way.
        eager: The eager step, which the others wrap.
        device: The run's device. On a CPU a graph's work is run directly.
        log: Writes a line to the run's log.
    """
    name = recipe.execution
    if name == "auto" or name == "eager" or isinstance(recipe.model, HierarchicalRecipe):
        return eager
    return Guarded(name, lambda: WAYS[name](eager, device), eager, log)


def _replayed(eager: Eager, device: torch.device) -> Execution:
    return Replayed(eager, capture if device.type == "cuda" else run_directly)


def _compiled(eager: Eager, device: torch.device) -> Execution:
    return Compiled(eager)


def _compiled_and_replayed(eager: Eager, device: torch.device) -> Execution:
    return _replayed(Compiled(eager), device)


WAYS: dict[str, Callable[[Eager, torch.device], Execution]] = {
    "graph": _replayed,
    "compile": _compiled,
    "compiled_graph": _compiled_and_replayed,
}
"""The ways other than eager, by the recipe's name."""
