"""Saving and loading: a file remembers which tensors lay on the device, as torch's files do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from tests.cuda.pretended.copies import Copies
from tests.cuda.pretended.device import Device, plain

LOCATION = "cuda:0"
BEFORE_TORCH_S_OWN = 1  # torch asks for the location of a storage in this order; its own begin at 10


class Files:
    """What torch.save, torch.load and torch's registry of locations are replaced by."""

    def __init__(self, device: Device, copies: Copies) -> None:
        self._device = device
        self._copies = copies

    def location(self, storage: Any) -> str | None:
        """Return the name under which torch notes where a storage lies; None for one of the host."""
        untyped = getattr(storage, "_untyped_storage", storage)
        return LOCATION if self._device.memory.has_storage(untyped) else None

    def restored(self, storage: Any, location: str) -> Any:
        """Return a storage that was read from a file, on the device if it is to be there."""
        if not location.startswith("cuda"):
            return None
        self._device.log.copies["to_device"] += 1
        self._device.log.copied_bytes["to_device"] += storage.nbytes()
        self._device.initialised = True
        self._device.memory.place(getattr(storage, "_untyped_storage", storage))
        return storage

    def saving(self, save: Callable[..., Any]) -> Callable[..., Any]:
        """Return torch.save for tensors on the device."""

        def saved(obj: Any, *args: Any, **kwargs: Any) -> Any:
            for leaf in tree_leaves(obj):
                if isinstance(leaf, torch.Tensor) and self._device.has(leaf):
                    self._copies.count_to_host(leaf, pinned=False)
            with plain():
                return save(obj, *args, **kwargs)

        return saved

    def loading(self, load: Callable[..., Any]) -> Callable[..., Any]:
        """Return torch.load for tensors on the device."""

        def loaded(*args: Any, **kwargs: Any) -> Any:
            with plain():
                return load(*args, **kwargs)

        return loaded
