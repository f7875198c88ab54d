"""Check, rename or delete the folder of a study before a run, and read the results of earlier runs from it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from sweeps.artifacts.layout import ENVIRONMENT, STUDY_FILE, foreign_names
from sweeps.io.errors import Refused
from sweeps.io.files import write_atomic
from sweeps.io.lock import driver_lock
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results

SMOKE = {"smoke": True}  # in the provenance of a smoke run, which the next one may replace
SHOWN = 3  # names in a message
PAGE, SUMMARY, TABLES, ALWAYS = "index.html", "README.md", "tables", "trials.csv"  # of a report


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


def begin_smoke_run(folder: Path) -> None:
    """Create the folder of a smoke run in place of the one of an earlier smoke run, and mark it as one."""
    require_replaceable(folder)
    if folder.exists():
        with driver_lock(folder):
            pass  # nobody runs it
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    # First of all, so that a smoke run that is killed early is known as one.
    write_atomic(folder / ENVIRONMENT, json.dumps(SMOKE) + "\n")


def require_replaceable(folder: Path) -> None:
    """Raise Refused where `folder` has anything that no smoke run has written."""
    reason = _why_kept(folder) if folder.exists() or folder.is_symlink() else ""
    if reason:
        raise Refused(
            f"a smoke run would replace {folder}, but {reason}; rename or move it, or choose another --runs-dir"
        )


def require_own(folder: Path) -> None:
    """Raise Refused where `folder` has files but no study: it is somebody's folder of the same name."""
    names = [] if (folder / STUDY_FILE).exists() else foreign_names(folder)
    if names:
        raise Refused(
            f"{folder} is not the folder of a study: it has no {STUDY_FILE}, but {_listed(names)}; "
            f"give the study another name or choose another --runs-dir"
        )


def require_writable(folder: Path) -> None:
    """Raise Refused where `folder` cannot be created or written."""
    existing = next(path for path in (folder, *folder.absolute().parents) if os.access(path, os.F_OK))
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise Refused(f"cannot write to {folder}: {existing} is not a writable folder; choose another place")


def require_report_folder(folder: Path) -> None:
    """Raise Refused where a report would overwrite a page or a summary in `folder` that no report wrote."""
    names = [name for name in (PAGE, SUMMARY) if (folder / name).exists()]
    if names and not (folder / TABLES / ALWAYS).exists():
        raise Refused(
            f"the report would overwrite {_listed(names)} in {folder}, which is not the folder of a report; "
            f"move it or choose another --reports-dir"
        )


def _why_kept(folder: Path) -> str:
    """Return why a smoke run must not delete a folder; "" if it may."""
    if folder.is_symlink():
        return "it is a link to another folder"
    names = foreign_names(folder)
    if names:
        return f"it has files that no smoke run wrote: {_listed(names)}"
    begun = any(not path.name.startswith((".", "lock")) for path in folder.iterdir())
    return "it is the folder of a study of its own" if begun and not _is_smoke_run(folder) else ""


def _is_smoke_run(folder: Path) -> bool:
    try:
        environment = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(environment, dict) and bool(environment.get("smoke"))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
