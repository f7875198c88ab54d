"""Machines that this one is not, for tests of the real command line; `sitecustomize` pretends them."""

from __future__ import annotations

import os
from pathlib import Path


def pretended(machine: str, **environment: str) -> dict[str, str]:
    """Return the environment of a process that takes this machine for another.

    Args:
        machine: "unusable": a driver shows a GPU that torch cannot use; the torch of these tests cannot use any.
            "wsl": one GPU that only torch and /dev/dxg show. "two": two GPUs. "broken": two, of which the second fails.
            "macos", "windows": the operating system.
        **environment: Further variables.
    """
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, folders)), "PRETENDED_MACHINE": machine, **environment}
