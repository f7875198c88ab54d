"""The machine that studies run on: its operating system and its CPU cores."""

from __future__ import annotations

import os
import sys

from sweeps.io.errors import UserError


class UnsupportedSystem(UserError):
    """Studies do not run on this operating system."""


def require_supported() -> None:
    """Raise UnsupportedSystem on Windows, which has neither the signals nor the file locks that studies need."""
    if sys.platform == "win32":
        raise UnsupportedSystem("studies run on Linux and macOS; on Windows use WSL2, which sees the GPU as well")


def available_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    # os.cpu_count() ignores the limits of containers, batch systems and taskset. macOS has nothing else.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
