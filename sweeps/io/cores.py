"""The CPU cores of this machine."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    # Not os.cpu_count(), which ignores the limits of containers, batch systems and taskset.
    return len(os.sched_getaffinity(0))
