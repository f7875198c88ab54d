"""Look for images that a study has twice before anything is trained, and refuse training images that are test images.

Only hashes of the images are compared here. The workload decides by the pixels which candidates are near duplicates,
and returns nothing but the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sweeps.artifacts.duplicates import write_pairs
from sweeps.artifacts.image_identity import identity, write_test_images
from sweeps.duplicates.hashes import ImageHashes
from sweeps.duplicates.record import DUPLICATES, DuplicateRecord, Overlap
from sweeps.duplicates.search import TEST, Shared, digest, search
from sweeps.io.errors import Refused
from sweeps.workload import Site, Workload

SHOWN = 3  # pairs in a message


class Leaked(Refused):
    """The study would train on images of its test set."""


@dataclass(frozen=True)
class Duplicates:
    """What was found among a study's images.

    Attributes:
        record: The result, for the provenance.
        hashes: The hashes of the images of each part.
        found: All pairs; None where they are those of an earlier run.
        seconds: How long the search took; 0 where there was none.
    """

    record: DuplicateRecord
    hashes: Mapping[str, ImageHashes]
    found: Sequence[Shared] | None
    seconds: float = 0.0

    @property
    def note(self) -> str:
        """What was compared and found, for the user; empty where that was told before."""
        if self.found is None:
            return ""
        kept = f"; {self.record.key or 'duplicates'}: {self.record.choice}" if self.record.leaks else ""
        return f"duplicates among the images ({self.seconds:.1f} s): {self.record}{kept}"

    def store(self, folder: Path) -> None:
        """Write all pairs into the study's folder, and the hashes of the test images into the runs folder."""
        if self.found is not None:
            write_pairs(folder, self.record.digest, self.found)
        if TEST in self.hashes:
            write_test_images(folder.parent, self.hashes[TEST].exact)


def find_duplicates(
    workload: Workload,
    recipe: Any,
    site: Site,
    previous: Mapping[str, Any],
    notify: Callable[[str], None] = lambda text: None,
) -> Duplicates | None:
    """Look for duplicates among the images of a study, unless the same images were searched before.

    Args:
        workload: The study's workload.
        recipe: The recipe of the baseline.
        site: The machine and the folders.
        previous: The environment of an earlier run of the study; empty at the first.
        notify: Takes what is being done, for the status line.

    Returns:
        What was found; None where the workload gives no hashes.

    Raises:
        Leaked: Training images are test images, and the recipe does not say what becomes of them.
        ValueError: The workload cannot hash the images.
    """
    if not workload.has("image_hashes"):
        return None
    began = time.monotonic()
    notify("looking for duplicate images")
    hashes, policy = workload.image_hashes(recipe, site), workload.duplicate_policy(recipe)
    if not hashes:
        return None
    confirmed, known = workload.has("confirm_duplicates"), DuplicateRecord.of(previous)
    key = digest(hashes, confirmed)
    if known is not None and known.digest == key:
        record, found = known, None
    else:
        confirm = (lambda pairs: workload.confirm_duplicates(recipe, site, pairs)) if confirmed else None
        found = search(hashes, confirm)
        record = _record(key, hashes, found, confirmed)
    late = known.late if known is not None else site.begun
    record = replace(record, choice=policy.choice, key=policy.key, together=policy.together, late=late)
    _require_no_leak(record)
    return Duplicates(record, hashes, found, time.monotonic() - began)


def provenance(duplicates: Duplicates | None) -> dict[str, Any]:
    """Return what the provenance says about duplicates; nothing where they were not looked for."""
    return {} if duplicates is None else {DUPLICATES: duplicates.record.plain()}


def _record(key: str, hashes: Mapping[str, ImageHashes], found: Sequence[Shared], confirmed: bool) -> DuplicateRecord:
    return DuplicateRecord(
        digest=key,
        sizes={part: len(values) for part, values in hashes.items()},
        overlaps=tuple(map(Overlap.of, found)),
        near=confirmed,
        choice="refuse",
        test_images=identity(hashes[TEST].exact) if TEST in hashes else "",
    )


def _require_no_leak(record: DuplicateRecord) -> None:
    """Raise Leaked where training images are test images, unless the recipe says what becomes of them.

    A study that had begun before its images were checked goes on: its report says what was found.
    """
    if record.choice != "refuse" or record.late or not record.leaks:
        return
    kinds = "; ".join(_leak(overlap, record) for overlap in record.leaks)
    way = "remove them from the training data"
    if record.key:
        setting = f"--set baseline.{record.key}"
        way += (
            f"; or train without them by {setting}=drop; or with them by {setting}=keep, which shows the figure of "
            f"the test set with and without them"
        )
    raise Leaked(f"{kinds}. The test set would measure what was learned by heart, so nothing was trained: {way}")


def _leak(overlap: Overlap, record: DuplicateRecord) -> str:
    pairs = ", ".join(f"{first} = {second}" for first, second, _ in overlap.pairs[:SHOWN])
    more = ", …" if overlap.images(0) > SHOWN else ""
    return (
        f"{overlap.images(1):,} of {record.sizes[TEST]:,} test images are in the part {overlap.first} too "
        f"({overlap.exact[1]:,} equal, {overlap.near[1]:,} near duplicates; "
        f"number in {overlap.first} = number in {TEST}: {pairs}{more})"
    )
