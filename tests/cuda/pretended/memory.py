"""The device's memory: which storages lie on it, and how many bytes they take."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

MIB = 2**20


class Memory:
    """Storages on the device, counted in bytes as torch's caching allocator counts them.

    Attributes:
        total: Bytes of the device.
        fraction: The share of them that this process may use.
        neighbours: Bytes that other processes hold.
        reserved: Bytes that this process has taken from the device: the most it has used since the cache was emptied.
        peak: The most bytes it has used since the peak was reset.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.fraction = 1.0
        self.neighbours = 0
        self.reserved = 0
        self.peak = 0
        self._used = 0
        # By the storage's address. The weak reference keeps the address from being used again.
        self._storages: dict[int, tuple[StorageWeakRef, int]] = {}

    def has(self, tensor: Tensor) -> bool:
        """Return whether a tensor lies on the device."""
        try:
            return tensor.untyped_storage()._cdata in self._storages
        except RuntimeError:  # a tensor without a storage, such as a sparse one
            return False

    def has_storage(self, storage: torch.UntypedStorage) -> bool:
        """Return whether a storage lies on the device."""
        return storage._cdata in self._storages

    def place(self, storage: torch.UntypedStorage) -> None:
        """Note a storage as lying on the device. Raises torch.OutOfMemoryError where it does not fit."""
        key, size = storage._cdata, storage.nbytes()
        if key in self._storages:
            return
        if self._used + size > min(self.peak, self.reserved, self.limit):
            self.collect()
        if self._used + size > self.limit:
            self.reserved = self._used  # the allocator empties its cache before it gives up
            raise torch.OutOfMemoryError(
                f"CUDA out of memory. Tried to allocate {size / MIB:.2f} MiB. GPU 0 has a total capacity of "
                f"{self.total / MIB:.2f} MiB of which {self.free / MIB:.2f} MiB is free."
            )
        self._storages[key] = (StorageWeakRef(storage), size)
        self._used += size
        self.peak = max(self.peak, self._used)
        self.reserved = max(self.reserved, self._used)

    @property
    def limit(self) -> int:
        """The bytes that this process can use at most."""
        return min(int(self.total * self.fraction), self.total - self.neighbours)

    @property
    def used(self) -> int:
        """The bytes of living storages."""
        self.collect()
        return self._used

    @property
    def free(self) -> int:
        """The bytes that no process has taken."""
        return self.total - self.neighbours - self.reserved

    def empty_cache(self) -> None:
        """Give back to the device what no storage uses."""
        self.reserved = self.used

    def reset_peak(self) -> None:
        """Count the peak from now on."""
        self.peak = self.used

    def collect(self) -> None:
        """Forget storages that are gone."""
        for key in [key for key, (reference, _) in self._storages.items() if reference.expired()]:
            self._used -= self._storages.pop(key)[1]
