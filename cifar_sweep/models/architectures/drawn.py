"""How an architecture draws its own initial weights: written down while it is built, repeated from a seed by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass(frozen=True)
class Draw:
    """One in-place operation on a tensor: `operator` of torch.ops.aten, and its arguments after the tensor."""

    operator: str
    arguments: tuple[Any, ...]
    named: Mapping[str, Any] = field(default_factory=dict)

    @property
    def random(self) -> bool:
        """Whether it draws random numbers."""
        return "generator" in (argument.name for argument in self._function._schema.arguments)

    def repeat(self, tensor: Tensor, generator: torch.Generator) -> None:
        """Do it to `tensor`, with random numbers of `generator`."""
        named = dict(self.named) | ({"generator": generator} if self.random else {})
        self._function(tensor, *self.arguments, **named)

    @property
    def _function(self) -> Any:
        name, _, overload = self.operator.partition(".")
        return getattr(getattr(torch.ops.aten, name), overload)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down, per tensor, the in-place operations from the last one that drew all its numbers anew."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tensors: dict[int, Tensor] = {}  # held, so that no other tensor gets the same memory
        self._draws: dict[int, list[Draw]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do what was asked for, and write it down where it changes a tensor in place."""
        kwargs = kwargs or {}
        if func._schema.name.endswith("_") and isinstance(args[0], Tensor):
            named = {key: value for key, value in kwargs.items() if key != "generator"}
            operator = f"{func._schema.name.removeprefix('aten::')}.{func._overloadname}"
            self._note(args[0], Draw(operator, tuple(args[1:]), named))
        return func(*args, **kwargs)

    def draws(self, module: nn.Module) -> dict[str, tuple[Draw, ...]]:
        """How each randomly drawn parameter of `module` got its numbers; constants are left out."""
        found = ((name, self._draws.get(_memory(parameter), [])) for name, parameter in module.named_parameters())
        return {name: tuple(draws) for name, draws in found if draws and draws[0].random}

    def _note(self, tensor: Tensor, draw: Draw) -> None:
        key = _memory(tensor)
        self._tensors[key] = tensor
        whole = tensor.numel() * tensor.element_size() == tensor.untyped_storage().nbytes()
        if not whole or any(isinstance(argument, Tensor) for argument in draw.arguments):
            self._draws[key] = []  # cannot be repeated from its arguments, so the numbers stay as they are
        elif draw.random or draw.operator.startswith(("fill_", "zero_")):
            self._draws[key] = [draw]
        elif self._draws.get(key):
            self._draws[key].append(draw)


@contextmanager
def recorded() -> Iterator[Recorder]:
    """Record what is drawn inside, from a fixed seed; torch's global generator goes on as if nothing had been.

    Nothing is recorded of a network on the meta device: it has no numbers.
    """
    recorder = Recorder()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        with nullcontext() if torch.get_default_device().type == "meta" else recorder:
            yield recorder


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
