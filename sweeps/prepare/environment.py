"""Where a study runs: its folders, its device, and what is written down of the machine."""

from __future__ import annotations

import hashlib
import inspect
import math
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from sweeps.io.errors import UserError

GRACE_S = 25.0
PACKAGES = ("cifar-sweep", "torch", "torchvision", "ray", "optuna", "numpy", "pandas", "plotly", "scikit-learn")


class BadSetting(UserError):
    """A variable of the environment that says something impossible."""


def data_dir(option: Path | None) -> Path:
    """The data folder: `--data-dir`, else `$SWEEP_DATA`, else the platform's cache folder."""
    if option is not None:
        return option.expanduser().resolve()
    named = os.environ.get("SWEEP_DATA")
    return Path(named).expanduser().resolve() if named else user_cache_path("cifar-sweep") / "data"


def gpu_count() -> int:
    """The NVIDIA GPUs that this process may use, found without loading torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    present = len(list(Path("/proc/driver/nvidia/gpus").glob("*"))) or len(list(Path("/dev").glob("nvidia[0-9]*")))
    if visible is None:
        return present
    return min(present, len([name for name in visible.split(",") if name.strip() not in ("", "-1")]))


def grace_s() -> float:
    """The seconds that running trials have to reach an epoch's end after a signal: `$SWEEP_GRACE_S`, else 25.

    Raises BadSetting for anything but a number of seconds.
    """
    given = os.environ.get("SWEEP_GRACE_S", "")
    try:
        seconds = float(given) if given else GRACE_S
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise BadSetting(f"SWEEP_GRACE_S must be a number of seconds, 0 or more, but is {given!r}")
    return seconds


def describe() -> dict[str, Any]:
    """The machine and the software, for the provenance of a report."""
    return {
        "host": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
            "gpus": gpu_count(),
        },
        "versions": {"python": platform.python_version(), **_versions()},
        "code": _revision(Path.cwd()),
        "command": " ".join(["sweep", *sys.argv[1:]]),
    }


def code_hash(target: Any) -> str:
    """SHA-256 over the Python files of the package or module that `target` comes from."""
    module = inspect.getmodule(target) if not inspect.ismodule(target) else target
    source = getattr(module, "__file__", None)
    if source is None:
        return ""
    path = Path(source)
    packaged = (path.parent / "__init__.py").exists()
    digest = hashlib.sha256()
    for file in sorted(path.parent.rglob("*.py")) if packaged else [path]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _revision(folder: Path) -> dict[str, Any]:
    """The git revision of the folder in which the command was given, and whether it had uncommitted changes."""
    revision = _git(folder, "rev-parse", "HEAD")
    if revision is None:
        return {}
    return {"git": revision, "uncommitted_changes": bool(_git(folder, "status", "--porcelain"))}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
