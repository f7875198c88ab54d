"""Operators on tensors: which may meet, which make the host wait, and what they leave on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.cuda.pretended.copies import Copies
from tests.cuda.pretended.device import CPU, Device, DeviceMix
from tests.cuda.pretended.log import product_place

# The host needs a value, or the size of the result.
WAITS = {
    *("_local_scalar_dense", "is_nonzero", "equal"),
    *("nonzero", "argwhere", "masked_select", "unique_dim", "_unique", "_unique2", "unique_consecutive"),
    *("bincount", "histc", "multinomial"),
    *("linalg_inv_ex", "linalg_eigh", "_linalg_eigh", "linalg_svd", "_linalg_svd", "_linalg_check_errors"),
}
COPIES = {"copy_", "_to_copy"}  # those that may take a tensor of another device
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}
NO_SCALARS = {  # take no tensor of the CPU, not even one without dimensions
    *("cat", "stack", "mm", "bmm", "addmm", "convolution", "take", "gather", "index_select", "index_copy_"),
    *("index_add_", "scatter_", "scatter_add_", "embedding", "_fused_adam_", "_fused_adamw_", "_fused_sgd_"),
}
ALLOCATIONS = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted"}
MIXED = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"
INDICES = "indices should be either on cpu or on the same device as the indexed tensor"


@dataclass
class OperatorCall:
    """A call of an operator.

    Attributes:
        func: The operator.
        args: Its positional arguments.
        kwargs: Its other arguments; a device among them is the CPU, where the numbers are computed.
        tensors: All tensors among the arguments.
        on_device: For each of them, whether it lies on the device.
        makes_on_device: Whether new tensors lie on the device.
    """

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    tensors: list[Tensor]
    on_device: list[bool]
    makes_on_device: bool

    @classmethod
    def of(cls, device: Device, func: Any, args: Any, kwargs: dict[str, Any]) -> OperatorCall:
        """Return the call. Its `makes_on_device` follows the device that is named, else its tensors."""
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        on_device = [device.has(tensor) for tensor in tensors]
        makes_on_device = any(on_device)
        if kwargs.get("device") is not None:
            # C++ names the CPU itself, after the tensors of the call.
            makes_on_device = torch.device(kwargs["device"]).type == "cuda" or device.in_device_call
            kwargs = {**kwargs, "device": CPU}
        return cls(func, args, kwargs, tensors, on_device, makes_on_device)

    @property
    def name(self) -> str:
        """The operator's name."""
        return str(self.func.overloadpacket.__name__)

    @property
    def writes(self) -> bool:
        """Whether it writes into an argument."""
        arguments = self.func._schema.arguments
        return any(argument.alias_info is not None and argument.alias_info.is_write for argument in arguments)

    def made(self, result: Any) -> tuple[list[Tensor], list[bool]]:
        """Return the tensors of the result, and for each whether its memory is new."""
        known = {tensor.untyped_storage()._cdata for tensor in self.tensors}
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        return outputs, [output.untyped_storage()._cdata not in known for output in outputs]


class Operators(TorchDispatchMode):
    """The mode that sees operators, those of backward passes too."""

    def __init__(self, device: Device, copies: Copies) -> None:
        super().__init__()
        self._device = device
        self._copies = copies

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        device, call = self._device, OperatorCall.of(self._device, func, args, dict(kwargs or {}))
        if any(call.on_device) or call.makes_on_device:
            device.require_sound()
        if call.name == "record_stream":
            return None
        pinned = bool(call.kwargs.get("pin_memory"))
        if pinned:
            call.kwargs["pin_memory"] = False
        if call.name in COPIES:
            return self._copied(call)
        require_one_device(call)
        self._require_own_generator(call)
        self._count_waits(call)
        self._before_writing(call)
        result = func(*call.args, **call.kwargs)
        if pinned:
            self._copies.pin(result)
        if call.makes_on_device or any(call.on_device):
            self._leave(call, result)
        return result

    def _leave(self, call: OperatorCall, result: Any) -> None:
        """Note the new tensors, count the launch, and record it where a graph is being captured."""
        outputs, new = call.made(result)
        if call.makes_on_device:
            for output, is_new in zip(outputs, new, strict=True):
                if is_new:
                    self._device.put(output)
        if call.name not in ALLOCATIONS and (any(new) or call.writes):
            self._device.launch(call.name)
            if self._device.tape is not None:
                self._device.tape.add(call.func, call.args, call.kwargs, outputs, new)

    def _copied(self, call: OperatorCall) -> Any:
        """Execute `copy_` or `_to_copy`, which may cross between host and device."""
        if call.name == "_to_copy":
            source, crosses = call.args[0], call.on_device[0] != call.makes_on_device
            non_blocking = bool(call.kwargs.get("non_blocking"))
            to_device = call.makes_on_device
        else:
            target, source = call.args[:2]
            to_device, crosses = call.on_device[0], call.on_device[0] != call.on_device[1]
            non_blocking = bool(call.args[2] if len(call.args) > 2 else call.kwargs.get("non_blocking"))
        if crosses and to_device:
            self._copies.count_to_device(source, non_blocking)
        elif crosses:
            pinned = non_blocking and call.name == "copy_" and self._copies.is_pinned(target)
            self._copies.count_to_host(source, pinned)
            if pinned:
                self._device.send(target, source.detach().clone())
                return target
        if to_device:
            self._before_writing(call)
        result = call.func(*call.args, **call.kwargs)
        if to_device:
            self._leave(call, result)
        return result

    def _before_writing(self, call: OperatorCall) -> None:
        if self._device.tape is not None and call.writes and any(call.on_device):
            self._device.tape.keep(call.tensors)

    def _require_own_generator(self, call: OperatorCall) -> None:
        generator = call.kwargs.get("generator")
        if generator is None and not any(isinstance(argument, torch._C.Generator) for argument in call.args):
            return
        if self._device.generator_on_device != call.makes_on_device:
            ours, other = ("cuda", "cpu") if call.makes_on_device else ("cpu", "cuda")
            raise DeviceMix(
                f"Expected a '{ours}' device type for generator but found '{other}' ({call.name}: {product_place()})"
            )
        if call.makes_on_device and self._device.tape is not None:
            raise RuntimeError(f"an unregistered generator during a capture ({call.name}: {product_place()})")

    def _count_waits(self, call: OperatorCall) -> None:
        if not any(call.on_device):
            return
        if call.name in WAITS:
            self._device.wait(call.name)
        if (
            call.name == "repeat_interleave"
            and isinstance(call.args[-1], Tensor)
            and not call.kwargs.get("output_size")
        ):
            self._device.wait("repeat_interleave by a tensor")
        if call.name in INDEXING:
            for index in call.args[1]:
                if index is not None and not self._device.has(index):
                    self._copies.count_to_device(index, non_blocking=False)
                if index is not None and index.dtype in (torch.bool, torch.uint8):
                    self._device.wait(f"{call.name} by a mask")


def require_one_device(call: OperatorCall) -> None:
    """Raise DeviceMix where a GPU would refuse the call's tensors."""
    if not any(call.on_device) or all(call.on_device):
        return
    if call.name in INDEXING and call.on_device[0]:
        values = [value for value in call.args[2:] if isinstance(value, Tensor) and value.dim() > 0]
        if not values or call.on_device[-1]:
            return
    message = INDICES if call.name in INDEXING else MIXED
    scalars = all(is_there or tensor.dim() == 0 for tensor, is_there in zip(call.tensors, call.on_device, strict=True))
    if not scalars or call.name in NO_SCALARS | INDEXING:
        raise DeviceMix(f"{message} ({call.name}: {product_place()})")
