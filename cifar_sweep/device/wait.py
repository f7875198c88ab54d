"""Wait for a device, before a clock is read."""

from __future__ import annotations

import torch


def synchronize(device: str) -> None:
    """Wait until a device has done all that it was given.

    Args:
        device: "cuda" or "mps"; a CPU has nothing to wait for.
    """
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
