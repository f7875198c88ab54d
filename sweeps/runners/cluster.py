"""Ask a Ray cluster how many GPUs it has, before a study decides on its device.

The question is asked in a process of its own: the driver may not need Ray at all, and joins the cluster later.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

TIMEOUT_S = 60.0
COMMAND = (sys.executable, "-m", "sweeps.runners.ray.gpus")


def cluster_gpus(address: str, command: Sequence[str] = COMMAND, timeout_s: float = TIMEOUT_S) -> int:
    """Return the GPUs of all machines of a cluster; 0 where it does not answer, which joining it will explain.

    Args:
        address: The cluster's address.
        command: What answers, given the address.
        timeout_s: Seconds after which it is killed.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [*command, address]
    try:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=timeout_s, check=True)
        return int(done.stdout.split()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0
