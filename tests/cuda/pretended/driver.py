"""The functions of torch.cuda and torch.accelerator."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import torch

from tests.cuda.pretended.device import CUDA, Device
from tests.cuda.pretended.generators import DefaultGenerator
from tests.cuda.pretended.graphs import Graph, captured
from tests.cuda.pretended.streams import Event, Stream


def visible(count: int, environment: Mapping[str, str]) -> int:
    """Return how many of `count` devices CUDA_VISIBLE_DEVICES leaves: those before its first invalid entry."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return count
    entries: list[str] = []
    for entry in named.split(","):
        if not entry.strip().isdigit() or int(entry) >= count or entry in entries:
            break
        entries.append(entry)
    return len(entries)


class Driver:
    """What torch.cuda answers, by the names of its functions."""

    def __init__(self, device: Device) -> None:
        self._device = device
        generator = DefaultGenerator()
        self.default_generators = (generator,)
        self.Stream = type("Stream", (Stream,), {"pretended": device})
        self.Event = type("Event", (Event,), {"pretended": device})
        self.CUDAGraph = type("Graph", (Graph,), {"device": device})
        self.graph = captured
        self.manual_seed = self.manual_seed_all = generator.manual_seed

    def is_available(self) -> bool:
        return self.device_count() > 0

    def device_count(self) -> int:
        return visible(self._device.count, os.environ)

    def is_initialized(self) -> bool:
        return self._device.initialised

    def init(self) -> None:
        self._device.initialised = True

    def _lazy_init(self) -> None:
        if not self.is_available():
            raise RuntimeError("No CUDA GPUs are available")

    def current_device(self) -> int:
        return 0

    def set_device(self, device: Any) -> None:
        self._require_first(device)

    def device(self, device: Any) -> Any:
        self._require_first(device)
        return nullcontext()

    def get_device_name(self, device: Any = None) -> str:
        return self._device.name

    def get_device_capability(self, device: Any = None) -> tuple[int, int]:
        return self._device.capability

    def get_arch_list(self) -> list[str]:
        return ["sm_75", "sm_90"]

    def get_device_properties(self, device: Any = None) -> SimpleNamespace:
        major, minor = self._device.capability
        return SimpleNamespace(
            name=self._device.name,
            major=major,
            minor=minor,
            total_memory=self._device.memory.total,
            multi_processor_count=132,
        )

    def is_bf16_supported(self, including_emulation: bool = True) -> bool:
        return self._device.bf16 or including_emulation

    def synchronize(self, device: Any = None) -> None:
        self._device.wait("synchronize")

    def current_stream(self, device: Any = None) -> Stream:
        return self.Stream()

    def default_stream(self, device: Any = None) -> Stream:
        return self.Stream()

    def stream(self, stream: Stream | None) -> Any:
        return stream if stream is not None else nullcontext()

    def is_current_stream_capturing(self) -> bool:
        return self._device.tape is not None

    def empty_cache(self) -> None:
        if self._device.initialised:
            self._device.require_sound()
            self._device.memory.empty_cache()

    def ipc_collect(self) -> None:
        self._device.require_sound()

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        self._device.require_sound()
        self.init()
        return self._device.memory.free, self._device.memory.total

    def memory_allocated(self, device: Any = None) -> int:
        return self._device.memory.used

    def max_memory_allocated(self, device: Any = None) -> int:
        return self._device.memory.peak

    def memory_reserved(self, device: Any = None) -> int:
        return self._device.memory.reserved

    def max_memory_reserved(self, device: Any = None) -> int:
        return max(self._device.memory.peak, self._device.memory.reserved)

    def memory_stats(self, device: Any = None) -> dict[str, int]:
        memory = self._device.memory
        return {
            "allocated_bytes.all.current": memory.used,
            "allocated_bytes.all.peak": memory.peak,
            "reserved_bytes.all.current": memory.reserved,
        }

    def reset_peak_memory_stats(self, device: Any = None) -> None:
        self._device.memory.reset_peak()

    def set_per_process_memory_fraction(self, fraction: float, device: Any = None) -> None:
        self.init()
        self._device.memory.fraction = fraction

    def get_rng_state(self, device: Any = CUDA) -> torch.Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, new_state: torch.Tensor, device: Any = CUDA) -> None:
        torch.set_rng_state(new_state)

    def get_rng_state_all(self) -> list[torch.Tensor]:
        return [torch.get_rng_state()]

    def set_rng_state_all(self, new_states: list[torch.Tensor]) -> None:
        torch.set_rng_state(new_states[0])

    def set_sync_debug_mode(self, debug_mode: Any) -> None:
        self._device.log.calls["set_sync_debug_mode"] += 1

    def replacements(self) -> dict[str, Any]:
        """Return what stands in for the names of torch.cuda."""
        names = [name for name in dir(self) if hasattr(torch.cuda, name) and not name.startswith("__")]
        return {name: getattr(self, name) for name in names}

    def accelerator(self) -> dict[str, Callable[..., Any]]:
        """Return what stands in for the names of torch.accelerator."""
        return {
            "is_available": self.is_available,
            "device_count": self.device_count,
            "current_accelerator": lambda check_available=False: torch.device("cuda"),
            "current_device_index": self.current_device,
            "current_device_idx": self.current_device,
            "current_stream": self.current_stream,
            "synchronize": self.synchronize,
            "empty_cache": self.empty_cache,
            "memory_allocated": self.memory_allocated,
            "max_memory_allocated": self.max_memory_allocated,
            "memory_reserved": self.memory_reserved,
            "reset_peak_memory_stats": self.reset_peak_memory_stats,
            "get_memory_info": self.mem_get_info,
        }

    def _require_first(self, device: Any) -> None:
        index = device if isinstance(device, int) else torch.device(device).index
        if index:
            raise RuntimeError("CUDA error: invalid device ordinal (one process has one pretended device)")
