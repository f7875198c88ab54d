"""The CPU cores of this machine."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    # os.cpu_count() ignores the limits of containers, batch systems and taskset. macOS has nothing else.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
