"""The record of every opening of a test set, for all studies of a runs folder.

A test set is known again by its images, where the workload gives their hashes, and by the fingerprint of the data. So
training on other data does not make it another test set, and a test set that shares images with another is known too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from sweeps.artifacts.image_identity import opened_before, read_test_images
from sweeps.duplicates.record import DuplicateRecord
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
        images: What identifies the test images (`SealedSet.images`); empty where they are not known.
        void: Why no evaluation gave a figure, so that the opening does not count; empty for one that counts.
    """

    at: str
    id: str
    study: str
    command: str
    fingerprint: str
    runs: tuple[int, ...]
    images: str = ""
    void: str = ""

    def plain(self) -> dict[str, Any]:
        """Return the opening as plain data for JSON."""
        content = {**asdict(self), "runs": list(self.runs)}
        return {name: value for name, value in content.items() if value or name not in ("images", "void")}

    @classmethod
    def from_plain(cls, content: Mapping[str, Any]) -> Opening:
        """Return the opening of which `plain` made `content`. Raises KeyError or TypeError for anything else."""
        return cls(**{**content, "runs": tuple(content["runs"])})


@dataclass(frozen=True)
class SealedSet:
    """What identifies the test set of a study.

    Attributes:
        fingerprint: That of the data (see `fingerprint`).
        images: A digest of the test images in any order; empty where the workload gives no hashes.
    """

    fingerprint: str
    images: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, Any]) -> SealedSet:
        """Return the test set of a study with this provenance."""
        record = DuplicateRecord.of(environment)
        return cls(fingerprint(environment), record.test_images if record is not None else "")

    def is_of(self, opening: Opening) -> bool:
        """Whether an opening was one of this test set."""
        return opening.fingerprint == self.fingerprint or bool(self.images and opening.images == self.images)


@dataclass(frozen=True)
class PartOpening:
    """An opening of another test set that shares images with this one.

    Attributes:
        study: The study that opened it.
        at: When, as an ISO time in UTC.
        shared: How many images of this test set were among those opened; None where their hashes are lost.
        size: The number of images of this test set.
    """

    study: str
    at: str
    shared: int | None
    size: int


@dataclass(frozen=True)
class Openings:
    """The recorded openings of the runs folder `runs`. No entry is ever removed."""

    runs: Path

    def of(self, sealed: SealedSet) -> list[Opening]:
        """Return the openings of one test set that count, oldest first. Raises Damaged if the file cannot be read."""
        return [opening for opening in self._read() if sealed.is_of(opening) and not opening.void]

    def of_parts(self, sealed: SealedSet) -> list[PartOpening]:
        """Return the last opening of each other test set that shares images with this one, oldest first.

        Raises:
            Damaged: The file cannot be read.
        """
        own = read_test_images(self.runs, sealed.images) if sealed.images else None
        if own is None:
            return []
        last = {one.images: one for one in self._read() if one.images and not (one.void or sealed.is_of(one))}
        found = []
        for opening in last.values():
            other = read_test_images(self.runs, opening.images)
            shared = None if other is None else opened_before(own, other)
            if shared != 0:
                found.append(PartOpening(opening.study, opening.at, shared, len(own)))
        return sorted(found, key=lambda one: one.at)

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
        sealed, study_id = SealedSet.of(environment), str(environment.get("id", ""))
        opening = Opening(moment, study_id, study, command, sealed.fingerprint, runs, sealed.images)
        with self._locked():
            self._write([*(_identified(one, sealed, environment) for one in self._read()), opening])
        return opening

    def adopt(self, others: Iterable[Opening]) -> None:
        """Record openings that took place elsewhere, such as those of an unpacked study. Raises Damaged."""
        with self._locked():
            known = self._read()
            self._write([*known, *(one for one in dict.fromkeys(others) if one not in known)])

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
            return [Opening.from_plain(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(
                f"{path} cannot be read ({error}): it counts the openings of test sets; "
                f"restore it from a backup, or move it aside to count from 0 again"
            ) from None


def _identified(opening: Opening, sealed: SealedSet, environment: Mapping[str, Any]) -> Opening:
    """An opening of before test images were identified: data with the same fingerprint has the same ones."""
    known = opening.images or not environment.get("data", {}).get("fingerprint")
    return opening if known or opening.fingerprint != sealed.fingerprint else replace(opening, images=sealed.images)


def fingerprint(environment: Mapping[str, Any]) -> str:
    """Return what identifies a study's test set: the data's fingerprint, or the workload's name if there is none."""
    of_data = environment.get("data", {}).get("fingerprint")
    return str(of_data or environment.get("workload", {}).get("name", ""))
