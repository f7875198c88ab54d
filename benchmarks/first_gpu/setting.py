"""Where and how the steps measure: device, folders, sizes, and the time at which a step should end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Setting:
    """What a step needs to know.

    Attributes:
        device: "cuda" (NVIDIA and ROCm), "mps" or "cpu".
        scratch: A folder for images and runs, deleted at the end.
        data_dir: The folder with the data sets; None where none was named or found.
        short: Whether everything is small: few images, narrow networks, one seed.
        ends: When the step should have ended, on the clock `time.monotonic`, which all processes share.
    """

    device: str
    scratch: Path
    data_dir: Path | None
    short: bool
    ends: float

    def left_s(self) -> float:
        """Return the seconds until the step should have ended."""
        return self.ends - time.monotonic()

    def to_json(self) -> dict[str, Any]:
        """Return the setting as plain data."""
        return {
            "device": self.device,
            "scratch": str(self.scratch),
            "data_dir": None if self.data_dir is None else str(self.data_dir),
            "short": self.short,
            "ends": self.ends,
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Setting:
        """Return the setting of plain data."""
        data_dir = None if plain["data_dir"] is None else Path(plain["data_dir"])
        return cls(**{**plain, "scratch": Path(plain["scratch"]), "data_dir": data_dir})


def synchronise(device: str) -> None:
    """Wait until the device has done what it was given."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
