"""Record how an architecture draws its own initial weights while it is built, to repeat it from a seed, by name."""

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
    """One in-place operation on a tensor.

    Attributes:
        operator: Name and overload of the operation in torch.ops.aten, such as "normal_.default".
        arguments: Its positional arguments after the tensor.
        named: Its keyword arguments, without the generator.
    """

    operator: str
    arguments: tuple[Any, ...]
    named: Mapping[str, Any] = field(default_factory=dict)

    @property
    def random(self) -> bool:
        """Whether it draws random numbers."""
        return "generator" in (argument.name for argument in self._function._schema.arguments)

    def repeat(self, tensor: Tensor, generator: torch.Generator) -> None:
        """Apply the operation to `tensor`, with random numbers of `generator`."""
        named = dict(self.named) | ({"generator": generator} if self.random else {})
        self._function(tensor, *self.arguments, **named)

    @property
    def _function(self) -> Any:
        name, _, overload = self.operator.partition(".")
        return getattr(getattr(torch.ops.aten, name), overload)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records, per tensor, the in-place operations since the last one that set all its numbers anew."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # By the address of the memory: nn.Parameter(torch.empty(n).normal_()) is another object than the tensor drawn.
        self._tensors: dict[int, Tensor] = {}  # held, so that no other tensor gets the same memory
        self._draws: dict[int, list[Draw]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and record it where it changes a tensor in place."""
        kwargs = kwargs or {}
        if func._schema.name.endswith("_") and isinstance(args[0], Tensor):
            named = {key: value for key, value in kwargs.items() if key != "generator"}
            operator = f"{func._schema.name.removeprefix('aten::')}.{func._overloadname}"
            self._record(args[0], Draw(operator, tuple(args[1:]), named))
        return func(*args, **kwargs)

    def draws(self, module: nn.Module) -> dict[str, tuple[Draw, ...]]:
        """Return the recorded operations of the randomly drawn parameters of `module`, by name, without constants."""
        recorded = (
            (name, self._draws.get(_storage_address(parameter), [])) for name, parameter in module.named_parameters()
        )
        return {name: tuple(draws) for name, draws in recorded if draws and draws[0].random}

    def _record(self, tensor: Tensor, draw: Draw) -> None:
        key = _storage_address(tensor)
        self._tensors[key] = tensor
        whole = tensor.numel() * tensor.element_size() == tensor.untyped_storage().nbytes()
        if not whole or any(isinstance(argument, Tensor) for argument in draw.arguments):
            self._draws[key] = []  # cannot be repeated from its arguments, so the numbers stay as they are
        elif draw.random or draw.operator.startswith(("fill_", "zero_")):
            self._draws[key] = [draw]
        elif self._draws.get(key):
            self._draws[key].append(draw)


@contextmanager
def record_draws() -> Iterator[Recorder]:
    """Record the initial draws of the networks built inside, from a fixed seed.

    torch's global generator is restored afterwards. On the meta device nothing is recorded: networks there have no
    numbers.

    Example:
        with record_draws() as recorder:
            network = torchvision.models.resnet18()
        draws = recorder.draws(network)
    """
    recorder = Recorder()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        with nullcontext() if torch.get_default_device().type == "meta" else recorder:
            yield recorder


def _storage_address(tensor: Tensor) -> int:
    """Return the address of a tensor's memory, which its views share."""
    return tensor.untyped_storage().data_ptr()
