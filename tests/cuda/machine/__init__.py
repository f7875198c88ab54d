"""Processes that have pretended GPUs from their start: those of the command line, of Ray, and of a study's probes."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def with_gpus(count: int) -> dict[str, str]:
    """Return the environment of a process, and of those that it starts, on a machine with so many pretended GPUs."""
    folders = [str(Path(__file__).parent), str(ROOT), os.environ.get("PYTHONPATH", "")]
    # Without it nothing asks for a GPU: the files of a driver are not pretended.
    return {"PRETENDED_GPUS": str(count), "SWEEP_DEVICE": "cuda", "PYTHONPATH": os.pathsep.join(filter(None, folders))}
