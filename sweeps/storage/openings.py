"""The record of every opening of a test set, for all studies of a runs folder, by data fingerprint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from sweeps.io.files import write_atomic
from sweeps.storage.integrity import Damaged

FILE = ".openings.json"  # no study can have this name, because names begin with a letter or a digit


@dataclass(frozen=True)
class Opening:
    """One opening of a test set.

    Attributes:
        at: When, as an ISO time in UTC.
        id: The id of the study's folder. A study that starts over under the same name gets another one.
        study: The study's name.
        command: The command that opened the test set.
        fingerprint: That of the data (see `fingerprint`).
        runs: The numbers of the trials of the stage final that were evaluated.
        void: Why no evaluation gave a figure, so that the opening does not count; empty for one that counts.
    """

    at: str
    id: str
    study: str
    command: str
    fingerprint: str
    runs: tuple[int, ...]
    void: str = ""

    def plain(self) -> dict[str, Any]:
        """Return the opening as plain data for JSON."""
        content = {**asdict(self), "runs": list(self.runs)}
        if not self.void:
            del content["void"]
        return content


@dataclass(frozen=True)
class Openings:
    """The recorded openings of the runs folder `runs`. No entry is ever removed."""

    runs: Path

    def of(self, fingerprint: str) -> list[Opening]:
        """Return the openings of one test set that count, oldest first. Raises Damaged if the file cannot be read."""
        return [opening for opening in self._read() if opening.fingerprint == fingerprint and not opening.void]

    def all(self) -> list[Opening]:
        """Return all openings, oldest first. Raises Damaged if the file cannot be read."""
        return self._read()

    def record(self, study: str, environment: Mapping[str, Any], runs: tuple[int, ...]) -> Opening:
        """Record an opening. This must come before the test set is opened, so that a kill cannot hide an opening.

        Args:
            study: The study's name.
            environment: The study's provenance.
            runs: The numbers of the trials that will be evaluated.

        Raises:
            Damaged: The file cannot be read.
        """
        moment = datetime.now(UTC).isoformat("T", "seconds")
        command = str(environment.get("command", ""))
        opening = Opening(moment, str(environment.get("id", "")), study, command, fingerprint(environment), runs)
        with self._locked():
            self._write([*self._read(), opening])
        return opening

    def mark_void(self, opening: Opening, why: str) -> None:
        """Mark a recorded opening as one that gave no figure. The entry stays. Raises Damaged."""
        with self._locked():
            self._write([replace(one, void=why) if one == opening else one for one in self._read()])

    def _locked(self) -> FileLock:
        # Several studies may open their test sets at the same time.
        return FileLock(self.runs / f"{FILE}.lock")

    def _write(self, openings: Iterable[Opening]) -> None:
        write_atomic(self.runs / FILE, json.dumps([opening.plain() for opening in openings], indent=1) + "\n")

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
                f"restore it from a backup, or move it aside to count from 0 again"
            ) from None


def fingerprint(environment: Mapping[str, Any]) -> str:
    """Return what identifies a study's test set: the data's fingerprint, or the workload's name if there is none."""
    of_data = environment.get("data", {}).get("fingerprint")
    return str(of_data or environment.get("workload", {}).get("name", ""))
