"""The environment of a run: data folder, grace period, and the provenance of machine and software."""

from __future__ import annotations

import math
import os
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from sweeps.io.errors import UserError
from sweeps.io.machine import available_cores
from sweeps.prepare.devices.inventory import devices
from sweeps.prepare.devices.signs import apple_processor
from sweeps.storage.drift import LIBRARIES

GRACE_S = 25.0


class BadSetting(UserError):
    """An environment variable has a value that is not allowed."""


def data_dir(option: Path | None) -> Path:
    """Return the data folder: `option`, else `$SWEEP_DATA`, else a folder in the user's cache folder.

    Args:
        option: The value of `--data-dir`, if it was given.
    """
    if option is not None:
        return option.expanduser().resolve()
    variable = os.environ.get("SWEEP_DATA")
    return Path(variable).expanduser().resolve() if variable else user_cache_path("cifar-sweep") / "data"


def grace_s() -> float:
    """Return the seconds that running trials have to finish their epoch after a signal: `$SWEEP_GRACE_S`, else 25.

    Raises:
        BadSetting: The variable is no number of seconds.
    """
    variable = os.environ.get("SWEEP_GRACE_S", "")
    try:
        seconds = float(variable) if variable else GRACE_S
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise BadSetting(f"SWEEP_GRACE_S must be a number of seconds, 0 or more, but is {variable!r}")
    return seconds


def describe() -> dict[str, Any]:
    """Return the machine, the software and the command, as plain data for a study's provenance."""
    found = devices()
    return {
        "host": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": available_cores(),
            "gpus": len(found.accelerators),
            **({"devices": found.plain()} if found.plain() else {}),
        },
        "versions": _versions(),
        "code": _revision(Path.cwd()),
        "command": shlex.join(["sweep", *sys.argv[1:]]),
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in sorted(LIBRARIES.keys() - versions.keys()):
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
        return apple_processor() or platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
