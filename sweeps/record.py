"""A finished trial as a file that proves itself: plain JSON with the hash of its content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from sweeps.files import write_atomic
from sweeps.trial import Status, Trial


class BadRecord(Exception):
    """A record that cannot be read or does not match its hash."""


def write_record(path: Path, trial: Trial) -> None:
    """Write `trial` to `path` atomically."""
    content = plain(trial)
    write_atomic(path, json.dumps({**content, "sha256": _digest(content)}, indent=1) + "\n")


def read_record(path: Path) -> Trial:
    """The trial in `path`. Raises BadRecord."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("sha256") != _digest(content):
            raise BadRecord("the content does not match its SHA-256")
        return _trial(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"not a readable record: {error}") from None


def plain(trial: Trial) -> dict[str, Any]:
    """A trial as plain data for JSON."""
    content = asdict(trial)
    content["curve"] = {str(epoch): value for epoch, value in trial.curve.items()}
    for moment in ("started", "finished"):
        content[moment] = content[moment] and content[moment].isoformat()
    return content


def _trial(content: dict[str, Any]) -> Trial:
    curve = {int(epoch): value for epoch, value in content["curve"].items()}
    moments = {name: content[name] and datetime.fromisoformat(content[name]) for name in ("started", "finished")}
    return Trial(**{**content, **moments, "curve": curve, "status": Status(content["status"])})


def _digest(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
