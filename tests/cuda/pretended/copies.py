"""Copies between host and device: what each costs the host, and the memory it ends in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from tests.cuda.pretended.device import CPU, CUDA, Device, plain

PAGEABLE, FETCH = "copy from pageable memory", "copy to the host"


@dataclass(frozen=True)
class Destination:
    """The arguments of `Tensor.to`.

    Attributes:
        device: The device asked for; None where none was named.
        dtype: The type asked for, or None.
        non_blocking: Whether the host need not wait.
        copy: Whether to copy in any case.
        memory_format: The memory format asked for, or None.
    """

    device: torch.device | None = None
    dtype: torch.dtype | None = None
    non_blocking: bool = False
    copy: bool = False
    memory_format: torch.memory_format | None = None

    @classmethod
    def parsed(cls, device: Device, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Self:
        """Read the arguments of a call of `Tensor.to`, without the tensor itself."""
        first = arguments[0] if arguments else None
        if isinstance(first, torch.dtype):
            names: tuple[str, ...] = ("dtype", "non_blocking", "copy")
        elif isinstance(first, Tensor):
            names = ("other", "non_blocking", "copy")
        else:
            names = ("device", "dtype", "non_blocking", "copy")
        given = dict(zip(names, arguments, strict=False)) | dict(keywords)
        other = given.pop("other", None)
        if other is not None:
            given |= {"device": CUDA if device.has(other) else CPU, "dtype": other.dtype}
        if given.get("device") is not None:
            given["device"] = torch.device(given["device"])
        if given.get("memory_format") is torch.preserve_format:
            del given["memory_format"]
        return cls(**given)

    def applied(self, tensor: Tensor) -> Tensor:
        """Return the tensor with type and memory format as asked, in new memory."""
        keywords = {"dtype": self.dtype, "memory_format": self.memory_format}
        return tensor.to(copy=True, **{name: value for name, value in keywords.items() if value is not None})

    def changes(self, tensor: Tensor) -> bool:
        """Return whether `applied` would give another tensor than the one it is given, on the same device."""
        if self.copy or (self.dtype is not None and self.dtype != tensor.dtype):
            return True
        return self.memory_format is not None and not tensor.is_contiguous(memory_format=self.memory_format)


class Copies:
    """Copies between host and device.

    Attributes:
        device: The device.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self._pinned: dict[int, StorageWeakRef] = {}

    def to(self, tensor: Tensor, destination: Destination) -> Tensor:
        """Do as `Tensor.to` where the tensor lies elsewhere than asked."""
        if destination.device is None or destination.device.type == "cuda":
            return self.to_device(tensor, destination)
        return self.to_host(tensor, destination)

    def to_device(self, tensor: Tensor, destination: Destination) -> Tensor:
        """Return a tensor of the host, copied to the device."""
        self.count_to_device(tensor, destination.non_blocking)
        with plain():
            return self.device.put(destination.applied(tensor))

    def to_host(self, tensor: Tensor, destination: Destination) -> Tensor:
        """Return a tensor of the device, copied to the host: into pinned memory where the host need not wait."""
        self.count_to_host(tensor, pinned=destination.non_blocking)
        with plain():
            made = destination.applied(tensor)
            if destination.non_blocking:
                value = made.detach().clone()
                self.pin(made)
                self.device.send(made.detach(), value)
            return made

    def count_to_device(self, tensor: Tensor, non_blocking: bool) -> None:
        """Count a copy to the device; the host waits for it unless it says otherwise."""
        self.device.require_sound()
        self._count("to_device", tensor, non_blocking)
        if not non_blocking or (self.device.tape is not None and not self.is_pinned(tensor)):
            self.device.wait(PAGEABLE)

    def count_to_host(self, tensor: Tensor, pinned: bool) -> None:
        """Count a copy to the host, which waits for it unless the copy ends in pinned memory."""
        self.device.require_sound()
        self._count("to_host", tensor, pinned)
        if not pinned:
            self.device.wait(FETCH)

    def pin(self, tensor: Tensor) -> Tensor:
        """Note a tensor of the host as lying in pinned memory, and return it."""
        storage = tensor.untyped_storage()
        self._pinned[storage._cdata] = StorageWeakRef(storage)  # keeps the address from being used again
        return tensor

    def is_pinned(self, tensor: Tensor) -> bool:
        """Return whether a tensor lies in pinned memory of the host."""
        return tensor.untyped_storage()._cdata in self._pinned

    def _count(self, direction: str, tensor: Tensor, without_wait: bool) -> None:
        kind = f"{direction}_async" if without_wait else direction
        self.device.log.copies[kind] += 1
        self.device.log.copied_bytes[kind] += tensor.nbytes
