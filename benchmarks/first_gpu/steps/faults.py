"""What errors leave behind: a real lack of memory and a real device assert, each in a process of its own.

python -m benchmarks.first_gpu.steps.faults FAULT SETTING
"""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.first_gpu.parts import Part, fit
from benchmarks.first_gpu.recipes import NARROW, RESNET, large, merged, run_of, site_of, small, train
from benchmarks.first_gpu.records import Wrong
from benchmarks.first_gpu.setting import Setting, synchronise
from cifar_sweep.device.errors import first_line
from cifar_sweep.device.occupied import occupying
from cifar_sweep.recipe import Recipe
from cifar_sweep.tune import out_of_memory_report
from sweeps.workload import DeviceLost

MIB = 2**20
LEFT_MIB = 4096  # of a GPU's memory, for the process that is to run out of it: the rest is taken by a neighbour
CPU_LEFT_MIB = 400  # of address space, beyond what the process has when it begins to train
NEARLY = 0.1  # by how much the sizes of two pieces of advice may differ, as a share of the larger
HELD_MIB = 1.0  # what a failed training may hold
RESULT = "result "


def parts(setting: Setting) -> list[Part]:
    """Return a part for each fault."""
    return [
        Part("out of memory", partial(_out_of_memory_beside_neighbour, setting), 2.0 if setting.short else 8.0),
        Part("device assert", partial(_in_own_process, setting, "device_assert"), 2.0 if setting.short else 8.0),
    ]


def _out_of_memory_beside_neighbour(setting: Setting) -> dict[str, Any]:
    """Let a training run out of memory on a GPU that a neighbour fills: then its advice can be checked by a new one.

    Returns:
        The message; the memory that the process held afterwards, in MiB; and, on CUDA, the advice that a new process
        gives beside the same neighbour.
    """
    with _neighbour(setting):
        figures = _in_own_process(setting, "out_of_memory")
        if setting.device == "cuda":  # elsewhere the size is estimated, not tried
            figures |= _in_own_process(setting, "advice")
    if figures["held_mib"] > HELD_MIB:
        raise Wrong(f"{figures['held_mib']:.0f} MiB are still held after the failure", figures)
    if "advice" in figures and not _alike(figures["message"], figures["advice"]):
        raise Wrong("a new process gives other advice", figures)
    return figures


def _alike(*texts: str) -> bool:
    """Return whether messages name nearly the same size of a batch that would fit."""
    sizes = [int(found[1]) if (found := re.search(r"batch_size (\d+) would fit", text)) else 0 for text in texts]
    return abs(sizes[0] - sizes[1]) <= NEARLY * max(sizes)


@contextmanager
def _neighbour(setting: Setting) -> Iterator[None]:
    """Hold the device's memory but `LEFT_MIB` of it, as a process beside the one that is to fail. On a CPU: nothing."""
    if setting.device != "cuda":
        yield
        return
    free, _ = torch.cuda.mem_get_info()
    held = torch.empty(max(0, free - LEFT_MIB * MIB), dtype=torch.uint8, device="cuda")
    try:
        yield
    finally:
        del held
        torch.cuda.empty_cache()


def _in_own_process(setting: Setting, fault: str) -> dict[str, Any]:
    """Return what a process of its own reports of a fault."""
    words = [sys.executable, "-m", __name__, fault, json.dumps(setting.to_json())]
    done = subprocess.run(words, capture_output=True, text=True, timeout=max(5.0, setting.left_s()))
    sys.stderr.write(done.stderr)
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(RESULT):
            figures: dict[str, Any] = json.loads(line.removeprefix(RESULT))
            return _checked(figures)
    raise Wrong(f"its process ended with status {done.returncode} before it reported: see log.txt", {})


def _checked(figures: dict[str, Any]) -> dict[str, Any]:
    wrong = figures.pop("wrong", "")
    if wrong:
        raise Wrong(wrong, figures)
    return figures


# -- in the process of a fault -----------------------------------------------------------------------------------------


def _out_of_memory(setting: Setting) -> dict[str, Any]:
    """Train with a batch that cannot fit; return the message and the memory held afterwards."""
    message = ""
    with _little_address_space(setting):
        try:
            list(train(_too_large(setting), run_of(setting)))
        except MemoryError as error:
            message = f"{type(error).__name__}: {error}"
    if not message:
        return {"wrong": "a batch that cannot fit was trained"}
    synchronise(setting.device)
    gc.collect()
    if setting.device == "cpu":
        # C's allocator keeps the address space that was freed, so the advice is one for what is left of it.
        message = message.partition(";")[0]
    return {"message": message, "held_mib": _held_mib(setting.device)}


def _advice(setting: Setting) -> dict[str, Any]:
    """Give the same advice in a process in which nothing has failed."""
    recipe = _too_large(setting)
    return {"advice": out_of_memory_report(recipe, site_of(setting), recipe.images_per_step)}


def _too_large(setting: Setting) -> Recipe:
    """Return a recipe whose step needs more memory than is left."""
    if setting.device == "cuda" and not setting.short:
        return large(setting, merged(RESNET, {"batch_size": 8192, "execution": "eager"}))
    # The maps of the first layer alone, 2 GiB, are more than is left. Many small requests would run out somewhere in
    # the libraries, of which not all check their memory.
    return small(setting, merged(RESNET, {"batch_size": 128, "epochs": 1, "data": {"resize": 256}}))


@contextmanager
def _little_address_space(setting: Setting) -> Iterator[None]:
    """On a CPU, limit the address space of this process, so that memory can run out at all."""
    if setting.device != "cpu":
        yield
        return
    import resource

    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + CPU_LEFT_MIB * MIB, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _device_assert(setting: Setting) -> dict[str, Any]:
    """Read beyond the end of a tensor on the device; return the error, and whether the process can still train."""
    figures: dict[str, Any] = {"error": "none"}
    try:
        list(occupying(setting.device, _reading_beyond_the_end(setting.device)))
    except (DeviceLost, RuntimeError, IndexError) as error:
        figures["error"] = f"{type(error).__name__}: {first_line(error)}"
        figures["told_as_lost"] = isinstance(error, DeviceLost)
    figures["device_usable_afterwards"] = fit(setting.device)
    if figures["device_usable_afterwards"] == figures.get("told_as_lost", True):
        figures["wrong"] = "a lost device is not told, or one is told that is not lost"
    try:
        rows = list(train(small(setting, merged(NARROW, {"epochs": 1})), run_of(setting)))
        figures["next_training"] = f"loss {rows[-1]['train_loss']:.4f}"
    except (DeviceLost, RuntimeError) as error:
        figures["next_training"] = f"{type(error).__name__}: {first_line(error)}"
    return figures


def _reading_beyond_the_end(device: str) -> Iterator[float]:
    beyond = torch.tensor([7], device=device)
    yield torch.zeros(4, device=device)[beyond].sum().item()


def _held_mib(device: str) -> float:
    return torch.cuda.memory_reserved() / MIB if device == "cuda" else 0.0


FAULTS: Mapping[str, Callable[[Setting], dict[str, Any]]] = {
    "out_of_memory": _out_of_memory,
    "advice": _advice,
    "device_assert": _device_assert,
}


if __name__ == "__main__":
    print(RESULT + json.dumps(FAULTS[sys.argv[1]](Setting.from_json(json.loads(sys.argv[2])))))
