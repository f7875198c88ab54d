"""The environment of a run: data folder, GPUs, grace period, and the provenance of machine, software and code.

The hash of a workload's code decides whether runs before and after a change may be compared, and whether the result
cache applies. A package may declare that its code computes the same figures, bit for bit, as an earlier one: a file
`code_identity.json` beside its modules,

    {"code_sha256": "<hash of this code>", "figures_of": "<hash of the earlier code>"}

makes the earlier hash stand for this code, so that a release that only moves or documents code causes no drift. As soon
as the code is edited, its hash no longer equals `code_sha256` and the declaration does not apply any more.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_cache_path

from sweeps.io.cores import available_cores
from sweeps.io.errors import UserError
from sweeps.io.files import write_atomic
from sweeps.storage.drift import LIBRARIES
from sweeps.study.study import Study

GRACE_S = 25.0
CODE_IDENTITY = "code_identity.json"
_SHA256 = re.compile("[0-9a-f]{64}")


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


def gpu_count() -> int:
    """Return the number of NVIDIA GPUs that this process may use."""
    # From the files of the driver, since the engine does not import torch.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    present = len(list(Path("/proc/driver/nvidia/gpus").glob("*"))) or len(list(Path("/dev").glob("nvidia[0-9]*")))
    if visible is None:
        return present
    return min(present, len([name for name in visible.split(",") if name.strip() not in ("", "-1")]))


def device_of(study: Study) -> Literal["cuda", "cpu"]:
    """Return the device of a study's trials: "cuda" if this machine has a GPU, unless the study asks for no GPU."""
    return "cuda" if study.resources.gpu != 0 and gpu_count() else "cpu"


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
    return {
        "host": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": available_cores(),
            "gpus": gpu_count(),
        },
        "versions": _versions(),
        "code": _revision(Path.cwd()),
        "command": " ".join(["sweep", *sys.argv[1:]]),
    }


def code_hash(target: Any) -> str:
    """Return the hash that identifies the figures of a workload's code: equal hashes, equal figures.

    It is the hash of the code itself (`computed_hash`). If the package declares in `code_identity.json` that this code
    computes the same figures as earlier code (see the module's docstring), it is the hash of that earlier code. A
    declaration that is missing, damaged or about other code is ignored.

    Args:
        target: A module, or an object defined in one.
    """
    computed, package = computed_hash(target), _package_folder(target)
    declared = _declared_figures(package, computed) if package is not None else None
    return declared or computed


def computed_hash(target: Any) -> str:
    """Return the SHA-256 over the Python files of the package or module of `target`; "" if it has no file."""
    source = _source_file(target)
    if source is None:
        return ""
    package = _package_folder(target)
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")) if package is not None else [source]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def write_code_identity(target: Any, figures_of: str) -> Path:
    """Declare that the code of `target`, as it is now, computes the same figures as an earlier code, bit for bit.

    Args:
        target: A module of the package, or an object defined in one.
        figures_of: The hash of the earlier code, as `code_hash` returned it.

    Returns:
        The file that was written.

    Raises:
        ValueError: `figures_of` is no SHA-256, or `target` does not come from a package.
    """
    if not _SHA256.fullmatch(figures_of):
        raise ValueError(f"figures_of must be a SHA-256 in hexadecimal digits but is {figures_of!r}")
    package = _package_folder(target)
    if package is None:
        raise ValueError(f"only a package can declare the identity of its code, and {target!r} comes from none")
    path = package / CODE_IDENTITY
    identity = {"code_sha256": computed_hash(target), "figures_of": figures_of}
    write_atomic(path, json.dumps(identity, indent=2) + "\n")
    return path


def _declared_figures(package: Path, computed: str) -> str | None:
    """The earlier hash that a package declares for its code, if the code still has the hash `computed`."""
    try:
        content = json.loads((package / CODE_IDENTITY).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # missing, no text, no JSON, nested too deeply
        return None
    if not isinstance(content, dict) or content.get("code_sha256") != computed:
        return None
    figures_of = content.get("figures_of")
    return figures_of if isinstance(figures_of, str) and _SHA256.fullmatch(figures_of) else None


def _source_file(target: Any) -> Path | None:
    module = target if inspect.ismodule(target) else inspect.getmodule(target)
    source = getattr(module, "__file__", None)
    return None if source is None else Path(source)


def _package_folder(target: Any) -> Path | None:
    """The folder of the package that `target` comes from; None for a module on its own."""
    source = _source_file(target)
    return source.parent if source is not None and (source.parent / "__init__.py").exists() else None


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
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
