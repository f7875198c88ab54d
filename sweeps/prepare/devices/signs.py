"""Signs of an accelerator in the system's files: whether it is worth asking torch, whose import takes seconds."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
# Values that hide every GPU on purpose: the shell's, Slurm's and the container toolkit's. What any other value means is
# left to torch.
HIDING = frozenset({"", "-1", "nodevfiles", "none", "void"})
# Each is there only with a driver: NVIDIA's, a Jetson's, the one of WSL2, which has none of the others, and ROCm's.
PLACES = (
    ("/proc/driver/nvidia/gpus", "*"),
    ("/dev", "nvidia[0-9]*"),
    ("/dev", "nvhost-gpu"),
    ("/dev", "dxg"),
    ("/dev", "kfd"),
)
# Images and login nodes may have the library without a device: a reason to ask, not a device to miss.
LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/lib/wsl/lib", "/usr/local/nvidia/lib64", "/run/opengl-driver/lib")
LIBCUDA = "libcuda.so.1"


def apple_processor() -> str:
    """Return the name of a Mac's processor, which is that of its GPU too; "" on other systems."""
    words = ["sysctl", "-n", "machdep.cpu.brand_string"]
    if sys.platform != "darwin":
        return ""
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def hidden() -> bool:
    """Return whether `$CUDA_VISIBLE_DEVICES` hides every GPU on purpose."""
    value = os.environ.get(VISIBLE)
    return value is not None and value.strip().lower() in HIDING


def device_sign() -> str:
    """Return the first sign of an accelerator: a file of its driver, or the processor. "" where there is none."""
    if sys.platform == "darwin":
        return f"an Apple processor ({platform.machine()})" if platform.machine() == "arm64" else ""
    if hidden():
        return ""
    return next((str(file) for folder, pattern in PLACES for file in _found(Path(folder), pattern)), "")


def has_cuda_library() -> bool:
    """Return whether the library of NVIDIA's driver is installed in a usual place."""
    if hidden():
        return False
    folders = [*LIBRARIES, *os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)]
    below = [*Path("/usr/lib").glob(f"*-linux-gnu/{LIBCUDA}")]
    return bool(below) or any((Path(folder) / LIBCUDA).exists() for folder in folders if folder)


def _found(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []
