"""What `sweep doctor` finds out about this machine."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from sweeps.io.machine import available_cores
from sweeps.prepare.devices.choice import VARIABLE
from sweeps.prepare.devices.inventory import Devices, devices

GIB = 2**30


@dataclass(frozen=True)
class Examination:
    """What a machine has for studies.

    Attributes:
        system: The operating system.
        python: Python's version.
        devices: What torch says about its accelerators.
        cores: The CPU cores that this process may use.
        memory_gib: The machine's memory, in GiB.
        available_gib: What is free of it.
        data_dir: The data folder.
        ray: Ray's version; "" where it is not installed.
        variable: `$SWEEP_DEVICE`.
    """

    system: str
    python: str
    devices: Devices
    cores: int
    memory_gib: float
    available_gib: float
    data_dir: Path
    ray: str
    variable: str

    def lines(self) -> list[tuple[str, str]]:
        """Return the examination as pairs of a name and what was found."""
        here = "" if self.data_dir.exists() else " (not there yet: made when data is downloaded)"
        return [
            ("python", f"{self.python} on {self.system}"),
            ("torch", self.devices.software.removeprefix("torch ") if self.devices.torch else "unknown"),
            *(("gpu", gpu) for gpu in self.devices.listed() or [f"none: {self.devices.reason}"]),
            *([("missed", f"{self.devices.sign}: {self.devices.reason}")] if self.devices.missed else []),
            ("trains on", self.variable or self.devices.kind or "cpu"),
            ("cores", str(self.cores)),
            ("memory", f"{self.memory_gib:.1f} GiB, {self.available_gib:.1f} GiB of it free"),
            ("data", f"{self.data_dir}{here}"),
            ("ray", self.ray or "not installed: --runner inline trains without it"),
        ]

    def plain(self) -> dict[str, Any]:
        """Return the examination as plain data for JSON."""
        return {**asdict(self), "data_dir": str(self.data_dir)}


def examine(data_dir: Path) -> Examination:
    """Examine this machine; torch is asked for its devices.

    Args:
        data_dir: The data folder.
    """
    memory = psutil.virtual_memory()
    return Examination(
        system=platform.platform(),
        python=platform.python_version(),
        devices=devices(asked=True),
        cores=available_cores(),
        memory_gib=memory.total / GIB,
        available_gib=memory.available / GIB,
        data_dir=data_dir,
        ray=_version("ray"),
        variable=os.environ.get(VARIABLE, ""),
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
