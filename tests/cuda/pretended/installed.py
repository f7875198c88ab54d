"""Put the pretended device in place of torch.cuda, and take it away again."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
import torch.serialization
from torch import Tensor

from tests.cuda.pretended.calls import Calls
from tests.cuda.pretended.copies import Copies
from tests.cuda.pretended.device import CUDA, Device
from tests.cuda.pretended.driver import Driver
from tests.cuda.pretended.files import BEFORE_TORCH_S_OWN, Files
from tests.cuda.pretended.generators import Generator
from tests.cuda.pretended.operators import Operators

GIB = 2**30


@contextmanager
def pretended(*, total: int = 8 * GIB, count: int = 1, bf16: bool = False, trains: bool = True) -> Iterator[Device]:
    """Pretend that this machine has a GPU. Tensors made on it must not be used afterwards.

    Args:
        total: Bytes of its memory.
        count: How many GPUs the machine has; this process uses the first.
        bf16: Whether it computes in bfloat16, so that `precision: auto` takes it.
        trains: Whether an optimizer may be used. It imports much of torch, which must not happen under the modes, and
            which is not imported here for a process that only looks at the device.

    Yields:
        The device, with its memory and its counts.
    """
    if trains:
        importlib.import_module("torch._dynamo")
    device = Device(total, count, bf16)
    copies, driver = Copies(device), Driver(device)
    with ExitStack() as stack:
        replace = _replacing(stack)
        replace(torch.cuda, driver.replacements())
        replace(torch.accelerator, driver.accelerator())
        replace(torch, {"Generator": Generator})
        replace(torch._C, {"_group_tensors_by_device_and_dtype": _grouping(device)})
        replace(torch.amp.autocast_mode.autocast, {"__init__": _autocast_init()})
        replace(threading.Thread, {"start": _thread_start(device, copies)})
        _install_files(stack, replace, Files(device, copies))
        stack.enter_context(Calls(device, copies))
        stack.enter_context(Operators(device, copies))
        yield device


def _replacing(stack: ExitStack) -> Callable[[Any, Mapping[str, Any]], None]:
    def replace(target: Any, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if hasattr(target, name):
                stack.enter_context(mock.patch.object(target, name, value))

    return replace


def _install_files(stack: ExitStack, replace: Callable[[Any, Mapping[str, Any]], None], files: Files) -> None:
    registry = torch.serialization._package_registry
    stack.callback(registry.__setitem__, slice(None), list(registry))
    torch.serialization.register_package(BEFORE_TORCH_S_OWN, files.location, files.restored)
    replace(torch, {"save": files.saving(torch.save), "load": files.loading(torch.load)})


def _grouping(device: Device) -> Callable[..., Any]:
    """Return torch's grouping of tensors by device, which looks at them in C++, for tensors on the pretended one."""
    group = torch._C._group_tensors_by_device_and_dtype

    def grouped(lists: list[list[Tensor | None]], with_indices: bool = False) -> Any:
        on_device = {device.has(tensor) for tensor in lists[0] if tensor is not None}
        groups = group(lists, with_indices)
        if on_device == {True}:
            return {(CUDA, dtype): members for (_, dtype), members in groups.items()}
        if len(on_device) > 1:
            raise RuntimeError("a group of tensors has members on the device and on the host")
        return groups

    return grouped


def _autocast_init() -> Callable[..., None]:
    """Return the constructor of autocast that takes the CPU's lists of operators for a GPU."""
    init = torch.amp.autocast_mode.autocast.__init__

    def initialise(self: Any, device_type: str, *args: Any, **kwargs: Any) -> None:
        init(self, "cpu" if device_type == "cuda" else device_type, *args, **kwargs)

    return initialise


def _thread_start(device: Device, copies: Copies) -> Callable[[threading.Thread], None]:
    """Return `Thread.start` of threads that run under the modes, which torch keeps for each thread by itself."""
    start = threading.Thread.start

    def start_under_modes(self: threading.Thread) -> None:
        run = self.run

        def run_under_modes() -> None:
            with Calls(device, copies), Operators(device, copies):
                run()

        self.run = run_under_modes  # type: ignore[method-assign]
        start(self)

    return start_under_modes
