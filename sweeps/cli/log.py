"""The log of a trial: where it is, and its last lines."""

from __future__ import annotations

from pathlib import Path

from sweeps.artifacts.layout import LOG
from sweeps.storage.results import Results
from sweeps.trial.trial import Trial

TAIL_LINES, TAIL_BYTES = 15, 16_384


def log_file(results: Results, trial: Trial) -> Path | None:
    """Return the log of a trial; None where it has none."""
    path = results.run_folder(trial) / LOG
    return path if path.is_file() else None


def log_tail(path: Path) -> list[str]:
    """Return the last `TAIL_LINES` lines of a log, which may be large; the first one is "…" where there are more."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    whole = size <= TAIL_BYTES and len(lines) <= TAIL_LINES
    return lines if whole else ["…", *lines[-TAIL_LINES:]]
