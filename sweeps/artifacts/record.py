"""Records of finished trials and of stages: sealed JSON files, which contain the hash of their own content.

The database has no checksums. The records show whether it, or a file of a trial, has changed since the trial ended.
"""

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

PROTECTED = ("*.csv", "recipe.yaml")  # the files of a trial's folder whose hashes its record contains


class BadRecord(Exception):
    """A record cannot be read, does not match its own hash, or contains the hash of a file that has changed."""


def write_record(path: Path, trial: Trial) -> None:
    """Write the record of `trial` to `path` atomically, with the hashes of its CSV files and its recipe."""
    write_sealed(path, {**plain(trial), "files": _hashes(path.parent)})


def read_record(path: Path) -> Trial:
    """Read the trial from the record `path`, without checking its other files. Raises BadRecord."""
    return _read(path)[0]


def read_whole(path: Path) -> Trial:
    """Read the trial from the record `path` and check the hashes of its other files. Raises BadRecord."""
    trial, files = _read(path)
    now = _hashes(path.parent)
    changed = sorted(name for name, sha256 in files.items() if now.get(name) != sha256)
    if changed:
        raise BadRecord(f"{', '.join(changed)} beside it changed after the trial had ended")
    return trial


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain data to `path` atomically as JSON, with its hash as the last key."""
    text = canonical(content)
    write_atomic(path, f"{text[:-1]}{_seal(hashlib.sha256(text.encode()).hexdigest())}")


def read_sealed(path: Path) -> dict[str, Any]:
    """Read plain data from the sealed file `path`. Raises BadRecord."""
    try:
        text = path.read_bytes()
        content = json.loads(text)
        seal = content.pop("sha256")
        if not _sealed(text, seal) and seal != digest(content):
            raise BadRecord("the content does not match its SHA-256")
        return dict(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"not a readable record: {error}") from None


def agrees(content: Mapping[str, Any], decided: Mapping[str, Any], decisions: int) -> bool:
    """Whether the database has the arms and facts of a stage's sealed file.

    The file is written first: after a kill between the two the database still has what the file calls `before`.

    Args:
        content: The content of the file.
        decided: The arms and facts in the database.
        decisions: How many decisions the database counts. 0.1.0 counted none; its files do not say how many there were.
    """
    now = digest(decided)
    if now == digest(content["decided"]):
        return True
    return bool(now == content["before"]) and decisions < content.get("decisions", decisions + 1)


def plain(trial: Trial) -> dict[str, Any]:
    """Return a trial as plain data for JSON."""
    content = asdict(trial)
    content["curve"] = {str(epoch): value for epoch, value in trial.curve.items()}
    for moment in ("started", "finished"):
        content[moment] = content[moment] and content[moment].isoformat()
    return content


def digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain data. The order of keys does not matter."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def canonical(content: Mapping[str, Any]) -> str:
    """Return plain data as compact JSON with sorted keys, so that equal data has equal text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _seal(sha256: str) -> str:
    """Return the end of a sealed file: the hash as the last key."""
    return f',"sha256":"{sha256}"}}\n'


def _sealed(text: bytes, sha256: str) -> bool:
    """Whether `text` is, byte for byte, a file of `write_sealed` with this hash.

    This saves serializing the content again. Files with other white space, from an earlier version or edited by hand,
    are checked by the digest of their content.
    """
    seal = _seal(sha256).encode()
    return text.endswith(seal) and hashlib.sha256(text[: -len(seal)] + b"}").hexdigest() == sha256


def _read(path: Path) -> tuple[Trial, dict[str, str]]:
    content = read_sealed(path)
    try:
        files = dict(content.pop("files", {}))
        curve = {int(epoch): value for epoch, value in content["curve"].items()}
        moments = {name: content[name] and datetime.fromisoformat(content[name]) for name in ("started", "finished")}
        read = {"curve": curve, "status": Status(content["status"]), "decisions": tuple(content.get("decisions", ()))}
        return Trial(**{**content, **moments, **read}), files
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"not a readable record: {error}") from None


def _hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each protected file of a trial's folder, by name."""
    files = sorted(file for pattern in PROTECTED for file in folder.glob(pattern))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}
