"""Check, rename or delete the folder of a study before a run, and read the results of earlier runs from it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from sweeps.artifacts.layout import ENVIRONMENT, STUDY_FILE
from sweeps.io.errors import Refused
from sweeps.io.lock import driver_lock
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results


def previous_results(folder: Path) -> Results | None:
    """Return the results of earlier runs in `folder`; None if there are none.

    Records are not compared with the storage here: the engine does that before it trains.
    """
    if not (folder / STUDY_FILE).exists():
        return None
    with driver_lock(folder):
        return open_results(folder.parent, folder.name, verified=False)


def move_aside(folder: Path) -> None:
    """Rename the folder of an earlier run to NAME.1, NAME.2, ..., so that the study can start over."""
    if not folder.exists():
        return
    with driver_lock(folder):
        pass  # nobody runs it
    number = next(n for n in range(1, 10_000) if not folder.with_name(f"{folder.name}.{n}").exists())
    folder.rename(folder.with_name(f"{folder.name}.{number}"))


def remove_smoke_run(folder: Path) -> None:
    """Delete the folder of an earlier smoke run. Raises Refused where it holds another study."""
    if not folder.exists():
        return
    with driver_lock(folder):
        _require_smoke(folder)
    shutil.rmtree(folder)


def require_writable(folder: Path) -> None:
    """Raise Refused where `folder` cannot be created or written."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise Refused(f"cannot write to {folder}: {existing} is not a writable folder; choose another place")


def _require_smoke(folder: Path) -> None:
    file = folder / ENVIRONMENT
    if file.exists() and not json.loads(file.read_text(encoding="utf-8")).get("smoke"):
        raise Refused(f"{folder} holds a study of its own, which a smoke run would replace; give one another name")
