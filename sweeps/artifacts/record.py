"""What a study has found, as files that prove themselves: plain JSON with the hash of its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from sweeps.io.files import write_atomic
from sweeps.trial.trial import Status, Trial

PROTECTED = ("*.csv", "recipe.yaml")  # what else in a trial's folder its record vouches for


class BadRecord(Exception):
    """A file that cannot be read, does not match its hash, or vouches for files that have changed."""


def write_record(path: Path, trial: Trial) -> None:
    """Write `trial` to `path` atomically, with the hashes of its curves and its recipe."""
    write_sealed(path, {**plain(trial), "files": _hashes(path.parent)})


def read_record(path: Path) -> Trial:
    """The trial in `path`. Raises BadRecord."""
    return _read(path)[0]


def read_whole(path: Path) -> Trial:
    """The trial in `path`, whose other files are as it left them. Raises BadRecord."""
    trial, files = _read(path)
    now = _hashes(path.parent)
    changed = sorted(name for name, digest in files.items() if now.get(name) != digest)
    if changed:
        raise BadRecord(f"{', '.join(changed)} beside it changed after the trial had ended")
    return trial


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain data to `path` atomically, with the hash of it as its last key."""
    text = canonical(content)
    write_atomic(path, f"{text[:-1]}{_seal(hashlib.sha256(text.encode()).hexdigest())}")


def read_sealed(path: Path) -> dict[str, Any]:
    """The plain data in `path`. Raises BadRecord."""
    try:
        text = path.read_bytes()
        content = json.loads(text)
        seal = content.pop("sha256")
        if not _sealed(text, seal) and seal != digest(content):
            raise BadRecord("the content does not match its SHA-256")
        return dict(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"not a readable record: {error}") from None


def plain(trial: Trial) -> dict[str, Any]:
    """A trial as plain data for JSON."""
    content = asdict(trial)
    content["curve"] = {str(epoch): value for epoch, value in trial.curve.items()}
    for moment in ("started", "finished"):
        content[moment] = content[moment] and content[moment].isoformat()
    return content


def digest(content: Mapping[str, Any]) -> str:
    """The SHA-256 of plain data: equal for equal data, whatever the order of its keys."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def canonical(content: Mapping[str, Any]) -> str:
    """The text of plain data: the same for equal data, whatever the order of its keys."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _seal(sha256: str) -> str:
    return f',"sha256":"{sha256}"}}\n'


def _sealed(text: bytes, sha256: str) -> bool:
    """Whether a file is, byte for byte, what `write_sealed` writes: its hash without reading its content anew.

    Others, written by hand or by an earlier version, are told by the digest of what they say.
    """
    seal = _seal(sha256).encode()
    return text.endswith(seal) and hashlib.sha256(text[: -len(seal)] + b"}").hexdigest() == sha256


def _read(path: Path) -> tuple[Trial, dict[str, str]]:
    content = read_sealed(path)
    try:
        files = dict(content.pop("files", {}))
        curve = {int(epoch): value for epoch, value in content["curve"].items()}
        moments = {name: content[name] and datetime.fromisoformat(content[name]) for name in ("started", "finished")}
        return Trial(**{**content, **moments, "curve": curve, "status": Status(content["status"])}), files
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"not a readable record: {error}") from None


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(file for pattern in PROTECTED for file in folder.glob(pattern))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
