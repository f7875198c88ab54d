"""What `sweep doctor` finds out about this machine."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from sweeps.formatting import count
from sweeps.io.disk import in_bytes, size_of
from sweeps.io.machine import available_cores
from sweeps.prepare.devices.choice import VARIABLE
from sweeps.prepare.devices.inventory import Devices, devices
from sweeps.prepare.diagnosis import (
    SHARED,
    Finding,
    disk,
    gpu,
    installed_libraries,
    other_rays,
    shared_memory,
)
from sweeps.storage.drift import LIBRARIES

GIB = 2**30


@dataclass(frozen=True)
class Examination:
    """What a machine has for studies.

    Attributes:
        system: The operating system.
        python: Python's version.
        versions: The versions of the libraries that are installed, by name.
        devices: What torch says about its accelerators.
        cores: The CPU cores that this process may use.
        memory_gib: The machine's memory, in GiB.
        available_gib: What is free of it.
        shared_gib: What is free of its shared memory; None where there is none.
        disk_gib: What is free where the runs folder is, in GiB.
        data_dir: The data folder.
        data: The size of each folder and file in it by name, in bytes; hidden ones are caches.
        ray: Ray's version; "" where it is not installed.
        variable: `$SWEEP_DEVICE`.
        findings: What keeps studies from running, or slows them down.
    """

    system: str
    python: str
    versions: dict[str, str]
    devices: Devices
    cores: int
    memory_gib: float
    available_gib: float
    shared_gib: float | None
    disk_gib: float
    data_dir: Path
    data: dict[str, int]
    ray: str
    variable: str
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether nothing keeps studies from running."""
        return all(finding.level != "error" for finding in self.findings)

    def lines(self) -> list[tuple[str, str]]:
        """Return the examination as pairs of a name and what was found."""
        shared = "none" if self.shared_gib is None else f"{self.shared_gib:.1f} GiB free"
        others = [f"{name} {version}" for name, version in self.versions.items() if name not in ("torch", "ray")]
        return [
            ("python", f"{self.python} on {self.system}"),
            ("torch", self.devices.software.removeprefix("torch ") if self.devices.torch else "unknown"),
            ("ray", self.ray or "not installed: --runner inline trains without it"),
            ("libraries", ", ".join(others)),
            *(("gpu", gpu) for gpu in self.devices.listed() or [f"none: {self.devices.reason}"]),
            ("trains on", self.variable or self.devices.kind or "cpu"),
            ("cores", str(self.cores)),
            ("memory", f"{self.memory_gib:.1f} GiB, {self.available_gib:.1f} GiB of it free"),
            ("shared", shared),
            ("disk", f"{self.disk_gib:.1f} GiB free at {Path.cwd()}"),
            ("data", f"{self.data_dir}: {self._contents()}"),
        ]

    def plain(self) -> dict[str, Any]:
        """Return the examination as plain data for JSON."""
        return {**asdict(self), "data_dir": str(self.data_dir), "usable": self.usable}

    def _contents(self) -> str:
        if not self.data_dir.exists():
            return "not there yet (made when data is downloaded)"
        cached = sum(size for name, size in self.data.items() if name.startswith("."))
        shown = [f"{name} ({in_bytes(size)})" for name, size in self.data.items() if not name.startswith(".")]
        return ", ".join([*shown, *([f"cache ({in_bytes(cached)})"] if cached else [])]) or "empty"


def examine(data_dir: Path) -> Examination:
    """Examine this machine; torch is asked for its devices.

    Args:
        data_dir: The data folder.
    """
    memory = psutil.virtual_memory()
    found, variable = devices(asked=True), os.environ.get(VARIABLE, "")
    findings = (*installed_libraries(), *gpu(found, variable), *disk([Path.cwd(), data_dir]))
    return Examination(
        system=platform.platform(),
        python=platform.python_version(),
        versions={name: version for name in LIBRARIES if (version := _version(name))},
        devices=found,
        cores=available_cores(),
        memory_gib=memory.total / GIB,
        available_gib=memory.available / GIB,
        shared_gib=shutil.disk_usage(SHARED).free / GIB if SHARED.exists() else None,
        disk_gib=shutil.disk_usage(Path.cwd()).free / GIB,
        data_dir=data_dir,
        data=_sizes(data_dir),
        ray=_version("ray"),
        variable=variable,
        findings=(*findings, *shared_memory(), *other_rays()),
    )


def summary(examination: Examination) -> str:
    """Return one sentence: whether studies can run here."""
    number = len(examination.findings)
    if not number:
        return "Studies can run here; nothing to mend."
    verdict = "Studies can run here" if examination.usable else "Studies cannot run here as it is"
    return f"{verdict}; {count(number, 'finding')}:"


def _sizes(folder: Path) -> dict[str, int]:
    if not folder.is_dir():
        return {}
    return {path.name: size_of(path) if path.is_dir() else path.stat().st_size for path in sorted(folder.iterdir())}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
