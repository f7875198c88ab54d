"""Ask torch for the accelerators of this machine: `python -m sweeps.prepare.devices.torch_report`.

It runs in a process of its own, since torch takes seconds to import, a sick driver can hang, and the contexts that are
made here take memory of the device until the process ends. The last line of its output is JSON.
"""

from __future__ import annotations

import json
import platform
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from sweeps.prepare.devices.signs import apple_processor

MIB = 2**20
INSTALL = "install a build for this machine's GPU: https://pytorch.org/get-started/locally"


def report() -> dict[str, Any]:
    """Return torch's version and build, the kind of its usable accelerators, each of them, and why some are not usable.

    Returns:
        `torch`, `build` ("CUDA 13.2", "ROCm 6.4", "MPS" or "CPU only"), `kind` ("cuda", "mps" or "" where none is
        usable), `accelerators` (`name`, `memory_mib`, `capability`, `bf16`: whether the hardware computes in it), and
        `reason`: why there is none, or which of them does not work.
    """
    try:
        import torch
    except Exception as error:  # noqa: BLE001  (a broken installation raises anything)
        return _none(f"torch cannot be imported: {_line(error)}")
    build = _build(torch)
    found = {"torch": str(torch.__version__), "build": build}
    if build == "MPS":
        return {**_apple(torch), **found}
    if build == "CPU only":
        return {**_none(f"torch is built for the CPU only; {INSTALL}"), **found}
    return {**_cuda(torch), **found}


def _build(torch: Any) -> str:
    if torch.version.hip:
        return f"ROCm {torch.version.hip}"
    if torch.version.cuda:
        return f"CUDA {torch.version.cuda}"
    return "MPS" if torch.backends.mps.is_built() else "CPU only"


def _cuda(torch: Any) -> dict[str, Any]:
    """NVIDIA's GPUs, or AMD's with a ROCm build, to which torch gives the same name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reason is said below
        try:
            torch.cuda.init()
            count = torch.cuda.device_count()
        except Exception as error:  # noqa: BLE001  (an AssertionError, a RuntimeError, or one of the driver's)
            return _none(_line(error))
        if not count:
            return _none("torch sees no GPU")
        accelerators = [_gpu(torch, index) for index in range(count)]
        broken = [_failure(partial(_add, torch, f"cuda:{index}")) for index in range(count)]
    failures = [f"cuda:{k} ({accelerators[k]['name']}): {error}" for k, error in enumerate(broken) if error]
    kind = "cuda" if len(failures) < count else ""
    return {"kind": kind, "accelerators": accelerators if kind else [], "reason": "; ".join(failures)}


def _gpu(torch: Any, index: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    return {
        "name": str(properties.name),
        "memory_mib": properties.total_memory // MIB,
        "capability": f"{properties.major}.{properties.minor}",
        "bf16": bool(torch.version.hip) or properties.major >= 8,
    }


def _apple(torch: Any) -> dict[str, Any]:
    if not torch.backends.mps.is_available():
        return _none(f"Metal is not available: macOS {platform.mac_ver()[0]} is too old, or there is no Apple GPU")
    if error := _failure(partial(_add, torch, "mps")):
        return _none(error)
    memory_mib = int(torch.mps.recommended_max_memory()) // MIB
    bf16 = not _failure(partial(_add, torch, "mps", torch.bfloat16))  # from macOS 14 on
    gpu = {"name": apple_processor() or "Apple GPU", "memory_mib": memory_mib, "capability": "", "bf16": bf16}
    return {"kind": "mps", "accelerators": [gpu], "reason": ""}


def _add(torch: Any, device: str, dtype: Any = None) -> None:
    """Compute on a device: one may be visible whose kind torch's build has no code for, or that another process has."""
    (torch.ones(1, device=device, dtype=dtype) + 1).cpu()


def _failure(work: Callable[[], None]) -> str:
    """Return why `work` fails; "" where it does not, or only because others use the memory now."""
    try:
        work()
    except Exception as error:  # noqa: BLE001  (drivers raise anything)
        return "" if "out of memory" in str(error) else _line(error)
    return ""


def _none(reason: str) -> dict[str, Any]:
    return {"torch": "", "build": "", "kind": "", "accelerators": [], "reason": reason}


def _line(error: BaseException) -> str:
    """Return the first line of an error: CUDA's own go on with advice for debugging."""
    return (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(report())}\n")
