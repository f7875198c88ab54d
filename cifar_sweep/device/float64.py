"""Sums in float64, and what takes their place on a device that has none."""

from __future__ import annotations

import torch

WITHOUT = frozenset({"mps"})
"""The devices without float64: Apple's GPUs."""


def sum_type(device: torch.device) -> torch.dtype:
    """Return the type for sums that stay on `device`: float64, or float32 where it has none."""
    return torch.float32 if device.type in WITHOUT else torch.float64


def float64_device(device: torch.device) -> torch.device:
    """Return the device for sums that must be exact: `device`, or the CPU where it has no float64."""
    return torch.device("cpu") if device.type in WITHOUT else device
