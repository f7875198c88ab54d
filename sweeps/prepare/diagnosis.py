"""What keeps studies from running on this machine, or slows them down, each with a command that mends it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil  # type: ignore[import-untyped]

from sweeps.io.disk import in_bytes
from sweeps.prepare.devices.inventory import Devices

FULL_BYTES, LITTLE_BYTES = 1 << 28, 5 << 30  # free space on which no study fits, and on which a large one may not
SHARED_BYTES = 1 << 27  # Ray's object store, and some room
SHARED = Path("/dev/shm")
RAY_HEADS = frozenset({"gcs_server", "raylet"})
_REQUIRED = re.compile(r"torch\s*\(?==\s*([^\s,;)]+)")


@dataclass(frozen=True)
class Finding:
    """Something about this machine that its owner should know.

    Attributes:
        level: "error" where it keeps studies from running, else "warning".
        subject: What it is about: "torchvision", "gpu", "disk", "shared memory", "ray".
        text: What was found.
        fix: A command that mends it, or that shows more.
    """

    level: Literal["error", "warning"]
    subject: str
    text: str
    fix: str


def libraries(versions: Mapping[str, str], required: Iterable[str]) -> Iterator[Finding]:
    """Yield what is wrong with torch and torchvision, which are built for each other.

    Args:
        versions: The installed versions by name; without those that are not installed.
        required: The requirements of the installed torchvision, such as "torch==2.9.0".
    """
    for name in ("torch", "torchvision"):
        if name not in versions:
            yield Finding("error", name, "is not installed", "pip install torch torchvision")
    if not {"torch", "torchvision"} <= versions.keys():
        return
    torch, torch_build = _release(versions["torch"])
    vision, vision_build = _release(versions["torchvision"])
    wanted = next((match[1] for line in required if (match := _REQUIRED.match(line))), torch)
    if _release(wanted)[0] != torch:
        text = f"{vision} is built for torch {wanted}, but torch is {torch}"
        yield Finding("error", "torchvision", text, f"pip install 'torch=={wanted}' 'torchvision=={vision}'")
    elif torch_build and vision_build and torch_build != vision_build:
        text = f"is built for {vision_build}, but torch for {torch_build}"
        yield Finding(
            "error", "torchvision", text, "pip uninstall -y torch torchvision && pip install torch torchvision"
        )


def installed_libraries() -> Iterator[Finding]:
    """Yield what is wrong with the installed torch and torchvision."""
    versions = {name: version for name in ("torch", "torchvision") if (version := _version(name))}
    required = (metadata.requires("torchvision") or []) if "torchvision" in versions else []
    yield from libraries(versions, required)


def gpu(devices: Devices, chosen: str) -> Iterator[Finding]:
    """Yield a GPU that is there but not usable, unless the CPU was chosen.

    Args:
        devices: What torch says.
        chosen: `$SWEEP_DEVICE`.
    """
    if devices.missed and chosen != "cpu":
        text = f"{devices.sign} is there, but torch cannot use it: {devices.reason}"
        yield Finding("error", "gpu", text, "export SWEEP_DEVICE=cpu  # trains on the CPU until it is mended")


def disk(folders: Iterable[Path]) -> Iterator[Finding]:
    """Yield folders, or the nearest ones above them, that cannot be written to or have little space; each once."""
    seen = set()
    for folder in folders:
        place = next(path for path in (folder, *folder.parents) if path.exists())
        free, device = shutil.disk_usage(place).free, place.stat().st_dev
        if not os.access(place, os.W_OK):
            yield Finding("error", "disk", f"{place} cannot be written to", f"chmod u+w {shlex.quote(str(place))}")
        elif free < LITTLE_BYTES and device not in seen:
            seen.add(device)
            text = f"{in_bytes(free)} free at {place}"
            fix = f"du -xh --max-depth=2 {shlex.quote(str(place))} | sort -h | tail"
            yield Finding("error" if free < FULL_BYTES else "warning", "disk", text, fix)


def shared_memory(place: Path = SHARED) -> Iterator[Finding]:
    """Yield shared memory that is too small for Ray, as a container's 64 MiB are. Nothing where there is none."""
    if not place.exists():
        return
    size = shutil.disk_usage(place)
    if size.free < SHARED_BYTES:
        text = (
            f"{in_bytes(size.free)} free of {in_bytes(size.total)} in {place}: Ray keeps its objects in files instead"
        )
        yield Finding(
            "warning", "shared memory", text, f"mount -o remount,size=1G {place}  # or docker run --shm-size=1g"
        )


def other_rays() -> Iterator[Finding]:
    """Yield the Rays of other processes: their trials share the cores, the memory and the GPUs."""
    heads = [process.pid for process in psutil.process_iter(["name"]) if process.info["name"] in RAY_HEADS]
    if heads:
        pids = ",".join(map(str, heads))
        yield Finding(
            "warning", "ray", f"another Ray runs here (processes {pids})", f"ps -o pid,user,etime,args -p {pids}"
        )


def _release(version: str) -> tuple[str, str]:
    """The release and the build of a version: ("2.9.0", "cu132") of "2.9.0+cu132"."""
    release, _, build = version.partition("+")
    return release, build


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
