"""The machine of the measurements, as torch sees it in a process of its own.

    python -m benchmarks.first_gpu.machine DEVICE

That process ends before anything is measured: the one that starts the steps holds no memory of the device.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from importlib.metadata import version
from typing import Any, TypedDict

from benchmarks.processor import processor
from sweeps.io.machine import available_cores

NOT_A_GPU = "made on a CPU: they show that the steps run, and say nothing of a GPU's speed or results"


class Machine(TypedDict):
    """The machine of a measurement.

    Attributes:
        device: "cuda", "mps" or "cpu".
        device_name: The device's name; on a CPU that of the processor.
        memory_mib: Its memory; None where torch does not say.
        capability: The compute capability, such as "9.0"; "" without CUDA.
        cores: The cores that this process may use.
        versions: Versions of Python, torch, and of what torch was built with.
        note: What the figures are not good for; "" on a GPU.
    """

    device: str
    device_name: str
    memory_mib: float | None
    capability: str
    cores: int
    versions: dict[str, str]
    note: str


class Unusable(Exception):
    """Torch cannot use the device."""


def machine(device: str) -> Machine:
    """Return the machine with a device: "cuda", "mps" or "cpu". Raises `Unusable` with the reason."""
    if device == "cpu":
        return _found("cpu", processor())
    words = [sys.executable, "-m", __name__, device]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Unusable(f"torch cannot be used: its process ended with status {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "unusable" in found:
        raise Unusable(found["unusable"])
    return Machine(**found)  # type: ignore[typeddict-item]


def probed(device: str) -> Machine:
    """Return the machine with a GPU, as torch sees it in this process."""
    import torch

    if device == "mps":
        return _found("mps", f"Apple GPU, {platform.machine()}")
    properties = torch.cuda.get_device_properties(0)
    found = _found("cuda", properties.name)
    found["memory_mib"] = properties.total_memory / 2**20
    found["capability"] = f"{properties.major}.{properties.minor}"
    built = {"cuda": torch.version.cuda, "hip": torch.version.hip, "cudnn": torch.backends.cudnn.version()}
    found["versions"] |= {name: str(number) for name, number in built.items() if number}
    return found


def _found(device: str, name: str) -> Machine:
    return Machine(
        device=device,
        device_name=name,
        memory_mib=None,
        capability="",
        cores=available_cores(),
        versions={"python": platform.python_version(), "torch": version("torch")},
        note=NOT_A_GPU if device == "cpu" else "",
    )


def unusable(device: str) -> str:
    """Return why torch cannot use `device`; "" if it can."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        return f"torch {torch.__version__} finds no CUDA device"
    if device == "mps" and not torch.backends.mps.is_available():
        return f"torch {torch.__version__} finds no MPS device"
    return ""


if __name__ == "__main__":
    why_not = unusable(sys.argv[1])
    print(json.dumps({"unusable": why_not} if why_not else probed(sys.argv[1])))
