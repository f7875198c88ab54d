"""Half-precision copies of a network's weights, made by one operation for all of them.

Under autocast every convolution and linear layer casts its own weights in each forward pass, and casts their gradients
back in each backward pass: two small operations for each weight, which a GPU spends its time launching. Here one
operation makes all copies, one turns all their gradients into float32, and the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode


class HalfWeights:
    """The copies of those weights that autocast casts.

    Which these are is seen in the first forward pass, which autocast does by itself: parameters that it casts and that
    nothing else reads.

    Attributes:
        network: The network, whose own parameters stay in float32 and get the gradients.
        dtype: The type of the copies.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        self.network = network
        self.dtype = dtype
        self._places: list[tuple[nn.Module, str]] | None = None

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the copies in the place of the weights, for one forward pass under autocast."""
        if self._places is None:
            with _Uses(self.network, self.dtype) as uses:
                yield
            self._places = uses.cast_only()
            return
        weights = [module._parameters[name] for module, name in self._places]
        halves = _Halves.apply(self.dtype, *weights) if weights else ()
        self._put(halves)
        try:
            yield
        finally:
            self._put(weights)

    def _put(self, tensors: Any) -> None:
        # Not by `setattr`, which takes only parameters and is many times slower.
        for (module, name), tensor in zip(self._places or (), tensors, strict=True):
            module._parameters[name] = tensor


class _Halves(torch.autograd.Function):
    """Copies of weights in another type, and the way of their gradients back."""

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *weights: Tensor) -> tuple[Tensor, ...]:
        halves = [torch.empty_like(weight, dtype=dtype) for weight in weights]
        torch._foreach_copy_(halves, list(weights))
        ctx.set_materialize_grads(False)
        frozen = [half for half, weight in zip(halves, weights, strict=True) if not weight.requires_grad]
        ctx.mark_non_differentiable(*frozen)
        return tuple(halves)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        of_halves = [gradient for gradient in gradients if gradient is not None]
        of_weights = [torch.empty_like(gradient, dtype=torch.float32) for gradient in of_halves]
        torch._foreach_copy_(of_weights, of_halves)
        remaining = iter(of_weights)
        return None, *(None if gradient is None else next(remaining) for gradient in gradients)


class _Uses(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes which parameters of a network are cast to a type, and which are read by anything else."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._network = network
        self._dtype = dtype
        self._parameters = {id(parameter) for parameter in network.parameters()}
        self._cast: set[int] = set()
        self._read: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        is_cast = func is torch.ops.aten._to_copy.default and kwargs.get("dtype") == self._dtype
        tensors = (tensor for tensor in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(tensor, Tensor))
        (self._cast if is_cast else self._read).update({id(tensor) for tensor in tensors} & self._parameters)
        return func(*args, **kwargs)

    def cast_only(self) -> list[tuple[nn.Module, str]]:
        """Return the module and name of each parameter that was cast, and not read otherwise.

        Parameters with several places are left to autocast, which adds their gradients in half precision.
        """
        places: dict[int, list[tuple[nn.Module, str]]] = {number: [] for number in self._cast - self._read}
        for module in self._network.modules():
            for name, parameter in module._parameters.items():
                if id(parameter) in places:
                    places[id(parameter)].append((module, name))
        return [several[0] for several in places.values() if len(several) == 1]
