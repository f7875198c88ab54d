"""Python calls on tensors: what a tensor on the device answers otherwise than one on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from tests.cuda.pretended.copies import Copies, Destination
from tests.cuda.pretended.device import CUDA, Device
from tests.cuda.pretended.log import product_place

Call = Callable[..., Any]
Answer = Callable[[Call, Sequence[Any], Mapping[str, Any]], Any]


class Calls(TorchFunctionMode):
    """The mode that sees torch's functions as Python calls them."""

    def __init__(self, device: Device, copies: Copies) -> None:
        super().__init__()
        self._device = device
        self._copies = copies
        self._answers: dict[Any, Answer] = {
            Tensor.device.__get__: self._get_device,
            Tensor.is_cuda.__get__: lambda func, args, kwargs: device.has(args[0]),
            Tensor.is_cpu.__get__: lambda func, args, kwargs: not device.has(args[0]),
            Tensor.get_device: lambda func, args, kwargs: 0 if device.has(args[0]) else -1,
            Tensor.to: self._to,
            Tensor.cpu: self._cpu,
            Tensor.cuda: self._cuda,
            Tensor.numpy: self._numpy,
            Tensor.__array__: self._numpy,
            Tensor.tolist: self._tolist,
            Tensor.pin_memory: self._pin_memory,
            Tensor.is_pinned: lambda func, args, kwargs: copies.is_pinned(args[0]),
            Tensor.__deepcopy__: self._deepcopy,
            torch.tensor: self._made_on_the_host,
            torch.as_tensor: self._made_on_the_host,
            torch.nn.functional.one_hot: self._one_hot,
        }

    def __torch_function__(self, func: Call, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        device, outer = self._device, (self._device.in_device_call, self._device.generator_on_device)
        tensors = (leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor))
        device.in_device_call = "device" not in kwargs and any(device.has(tensor) for tensor in tensors)
        generator = kwargs.get("generator")
        if generator is not None:
            device.generator_on_device = getattr(generator, "on_device", False)
        try:
            answer = self._answers.get(func)
            return func(*args, **kwargs) if answer is None else answer(func, args, kwargs)
        finally:
            device.in_device_call, device.generator_on_device = outer

    def _get_device(self, func: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> torch.device:
        return CUDA if self._device.has(args[0]) else func(*args)

    def _to(self, func: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
        tensor, destination = args[0], Destination.parsed(self._device, args[1:], kwargs)
        asked = destination.device
        if asked is None or asked.type not in ("cuda", "cpu"):
            return func(*args, **kwargs)
        if (asked.type == "cuda") != self._device.has(tensor):
            return self._copies.to(tensor, destination)
        if not destination.changes(tensor):
            return tensor
        keywords = {"dtype": destination.dtype, "memory_format": destination.memory_format}
        return func(tensor, copy=True, **{name: value for name, value in keywords.items() if value is not None})

    def _cpu(self, func: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
        return self._copies.to_host(args[0], Destination()) if self._device.has(args[0]) else args[0]

    def _cuda(self, func: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
        if self._device.has(args[0]):
            return args[0]
        return self._copies.to_device(args[0], Destination(non_blocking=bool(kwargs.get("non_blocking"))))

    def _numpy(self, func: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if self._device.has(args[0]):
            raise TypeError(
                f"can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first ({product_place()})"
            )
        return func(*args, **kwargs)

    def _tolist(self, func: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return func(self._cpu(func, args, kwargs))

    def _pin_memory(self, func: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
        return args[0] if self._copies.is_pinned(args[0]) else self._copies.pin(args[0].clone())

    def _deepcopy(self, func: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
        made = func(*args, **kwargs)  # copies the storage without an operator
        return self._device.put(made) if self._device.has(args[0]) else made

    def _made_on_the_host(self, func: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
        """Make a tensor of values on the host, and copy it to the device where it is asked for there."""
        device = kwargs.get("device")
        made = func(*args, **{name: value for name, value in kwargs.items() if name != "device"})
        if device is None or torch.device(device).type != "cuda" or self._device.has(made):
            return made
        return self._copies.to_device(made, Destination())

    def _one_hot(self, func: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
        """Count as on CUDA, where values are not checked and so not waited for."""
        if not self._device.has(args[0]):
            return func(*args, **kwargs)
        classes = args[1] if len(args) > 1 else kwargs.get("num_classes", -1)
        if classes < 0:
            self._device.wait("one_hot without a number of classes")
            classes = int(args[0].max()) + 1
        return torch.zeros(*args[0].shape, classes, dtype=torch.long, device=CUDA).scatter_(-1, args[0][..., None], 1)
