"""Every opening of a test set, counted per data fingerprint across all the studies of a runs folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from sweeps.io.files import write_atomic
from sweeps.storage.integrity import Damaged

FILE = ".openings.json"  # no study can have this name


@dataclass(frozen=True)
class Opening:
    """One opening: when, by which study and command, of which data, for which trained models (their numbers).

    `id` is that of the study's folder: a study that was begun anew under the same name is another one.
    """

    at: str
    id: str
    study: str
    command: str
    fingerprint: str
    runs: tuple[int, ...]

    def plain(self) -> dict[str, Any]:
        """The opening as plain data for JSON."""
        return {**asdict(self), "runs": list(self.runs)}


@dataclass(frozen=True)
class Openings:
    """The openings that a runs folder knows of. Nothing is ever taken out."""

    runs: Path

    def of(self, fingerprint: str) -> list[Opening]:
        """The openings of one test set, oldest first. Raises Damaged."""
        return [opening for opening in self._read() if opening.fingerprint == fingerprint]

    def all(self) -> list[Opening]:
        """Every opening, oldest first. Raises Damaged."""
        return self._read()

    def record(self, study: str, environment: Mapping[str, Any], runs: tuple[int, ...]) -> Opening:
        """Write an opening down, before anything is opened."""
        moment = datetime.now(UTC).isoformat("T", "seconds")
        command = str(environment.get("command", ""))
        opening = Opening(moment, str(environment.get("id", "")), study, command, fingerprint(environment), runs)
        with FileLock(self.runs / f"{FILE}.lock"):
            known = [other.plain() for other in self._read()]
            write_atomic(self.runs / FILE, json.dumps([*known, opening.plain()], indent=1) + "\n")
        return opening

    def _read(self) -> list[Opening]:
        path = self.runs / FILE
        if not path.exists():
            return []
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return [Opening(**{**entry, "runs": tuple(entry["runs"])}) for entry in content]
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(
                f"{path} cannot be read ({error}): it counts the openings of test sets; "
                f"restore it from a backup, or move it aside, and the count begins anew"
            ) from None


def fingerprint(environment: Mapping[str, Any]) -> str:
    """What the openings of a study are counted under: its data's fingerprint or, without one, its workload's name."""
    known = environment.get("data", {}).get("fingerprint")
    return str(known or environment.get("workload", {}).get("name", ""))
