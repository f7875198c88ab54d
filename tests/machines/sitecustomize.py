"""Make a process take this machine for the one in `$PRETENDED_MACHINE`: Python imports this module when it starts.

GPUs are pretended for the question whether there are any: in the files of the driver, and in the process that asks
torch. Nothing can be trained on them.
"""

from __future__ import annotations

import os
import pathlib
import platform
import signal
import sys
from types import SimpleNamespace
from typing import Any

MACHINE = os.environ.get("PRETENDED_MACHINE", "")
FILES = {"unusable": ["/dev/nvidia0"], "wsl": ["/dev/dxg"], "two": ["/dev/nvidia0", "/dev/nvidia1"]}
FILES["broken"] = FILES["two"]
GPUS = {"wsl": 1, "two": 2, "broken": 2}
ASKS_TORCH = any("sweeps.prepare.devices.torch_report" in word for word in sys.orig_argv)


def show_files(names: list[str]) -> None:
    """Show files of /dev that are not there; those of other drivers are hidden."""
    glob = pathlib.Path.glob

    def with_files(self: pathlib.Path, pattern: str, *args: Any, **options: Any) -> Any:
        if str(self) == "/dev":
            return (pathlib.Path(name) for name in names if pathlib.PurePath(name).match(pattern))
        return iter(()) if str(self) == "/proc/driver/nvidia/gpus" else glob(self, pattern, *args, **options)

    pathlib.Path.glob = with_files  # type: ignore[method-assign,assignment]


def show_gpus(count: int, failing: str) -> None:
    """Let torch have GPUs, as many of them as its own rules for `$CUDA_VISIBLE_DEVICES` leave."""
    import torch

    ones = torch.ones

    def visible() -> int:
        return len([index for index in torch.cuda._parse_visible_devices() if index in range(count)])

    def on_gpu(*size: int, device: str, dtype: Any = None) -> torch.Tensor:
        if device == failing:
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nDebug with …")
        return ones(*size, dtype=dtype)

    def initialise() -> None:
        if not visible():
            raise RuntimeError("No CUDA GPUs are available")

    properties = SimpleNamespace(name="Pretended H200", total_memory=140 << 30, major=9, minor=0)
    torch.cuda.init, torch.cuda.device_count = initialise, visible
    torch.cuda.get_device_properties = lambda index: properties  # type: ignore[assignment,return-value]
    torch.ones = on_gpu  # type: ignore[assignment]


def become_a_mac() -> None:
    """Take away what macOS does not have. What has a part of its own for each system is imported before, as it is."""
    import sysconfig
    import urllib.request  # noqa: F401

    import psutil  # type: ignore[import-untyped]

    psutil.virtual_memory()
    sysconfig.get_config_vars()
    read_text, exists = pathlib.Path.read_text, pathlib.Path.exists

    def without_proc(self: pathlib.Path, *args: Any, **options: Any) -> str:
        if str(self).startswith(("/proc", "/sys")):
            raise FileNotFoundError(2, "No such file or directory", str(self))
        return read_text(self, *args, **options)

    pathlib.Path.read_text = without_proc  # type: ignore[method-assign]
    pathlib.Path.exists = lambda self, **options: not str(self).startswith("/proc") and exists(self, **options)  # type: ignore[method-assign]
    del os.sched_getaffinity
    platform.system, platform.machine = lambda: "Darwin", lambda: "arm64"
    sys.platform = "darwin"


def become_windows() -> None:
    """Take away the signals that Windows does not have."""
    for name in ("SIGHUP", "SIGUSR1", "SIGALRM"):
        delattr(signal, name)
    sys.platform = "win32"


if MACHINE in FILES:
    show_files(FILES[MACHINE])
if MACHINE in GPUS and ASKS_TORCH:
    show_gpus(GPUS[MACHINE], "cuda:1" if MACHINE == "broken" else "")
if MACHINE == "macos" and not ASKS_TORCH:  # torch is the one for Linux
    become_a_mac()
if MACHINE == "windows":
    become_windows()
