"""What a study's provenance says about duplicates among its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sweeps.duplicates.search import TEST, TRAINING, Shared

DUPLICATES = "duplicates"  # the key of the provenance
SHOWN = 10  # pairs that the provenance names; the rest are in a file of the study


@dataclass(frozen=True)
class Overlap:
    """The images that two parts share, or that one part has twice, in numbers.

    Attributes:
        first: The first part.
        second: The second; the first again for what one part has twice.
        exact: How many images of the first and of the second part have an equal one. Within one part: how many are
            copies of an earlier one, twice.
        near: How many have a near duplicate but no equal image, in the same way.
        pairs: The first pairs: number in the first part, number in the second, and "equal" or "near".
        limited: How many images of the first part look like so many others that only the nearest were compared.
    """

    first: str
    second: str
    exact: tuple[int, int]
    near: tuple[int, int]
    pairs: tuple[tuple[int, int, str], ...]
    limited: int = 0

    @classmethod
    def of(cls, shared: Shared) -> Overlap:
        """Return the numbers of what a search has found."""
        every = [*_named(shared.exact, "equal"), *_named(shared.near, "near")]
        counts = shared.counts
        return cls(
            shared.first, shared.second, counts["exact"], counts["near"], tuple(every[:SHOWN]), int(shared.limited)
        )

    def images(self, side: int) -> int:
        """Return how many images of the first (0) or second part (1) are duplicates."""
        return self.exact[side] + self.near[side]

    @property
    def leaks(self) -> bool:
        """Whether models learn from images that are test images."""
        return self.first in TRAINING and self.second == TEST and bool(self.images(1))


@dataclass(frozen=True)
class DuplicateRecord:
    """The result of the search for duplicates among a study's images.

    Attributes:
        digest: That of the hashes: with the same one the search is not repeated.
        sizes: The number of images of each part.
        overlaps: What was found, for all parts that were compared.
        near: Whether near duplicates were looked for.
        choice: What becomes of training images that are test images: "keep", "drop" or "refuse".
        key: The setting of the recipe that decides this; empty if there is none.
        together: Whether duplicates within training stay on one side of every split.
        test_images: What identifies the test images; empty without a test set.
        late: Whether the study had begun before it was checked, so that nothing was refused.
    """

    digest: str
    sizes: Mapping[str, int]
    overlaps: tuple[Overlap, ...]
    near: bool
    choice: str
    key: str = ""
    together: bool = False
    test_images: str = ""
    late: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, Any]) -> DuplicateRecord | None:
        """Return what the provenance of a study says; None if its images were not checked."""
        content = environment.get(DUPLICATES)
        return cls(**{**content, "overlaps": tuple(map(_overlap, content["overlaps"]))}) if content else None

    def plain(self) -> dict[str, Any]:
        """Return the record as plain data for JSON."""
        return asdict(self)

    @property
    def leaks(self) -> list[Overlap]:
        """The training images that are test images, by part."""
        return [overlap for overlap in self.overlaps if overlap.leaks]

    def __str__(self) -> str:
        """What was compared and found: "train 1,200, test 597: 3 test images in train (1 equal, 2 near)"."""
        found = [_in_words(overlap) for overlap in self.overlaps if overlap.images(1)]
        if not self.near:
            found.append("near duplicates not looked for")
        if limited := max((overlap.limited for overlap in self.overlaps), default=0):
            found.append(f"{limited:,} images look like so many others that each was compared with the nearest only")
        none = [] if any(overlap.images(1) for overlap in self.overlaps) else ["none found"]
        order = [part for part in (*TRAINING, TEST) if part in self.sizes]
        order += sorted(self.sizes.keys() - set(order))
        sizes = ", ".join(f"{part} {self.sizes[part]:,}" for part in order)
        return f"{sizes}: {'; '.join([*none, *found])}"


def _in_words(overlap: Overlap) -> str:
    counts = f"({overlap.exact[1]:,} equal, {overlap.near[1]:,} near)"
    if overlap.first == overlap.second:
        return f"{overlap.images(1):,} {overlap.first} images are copies of others {counts}"
    return f"{overlap.images(1):,} {overlap.second} images in {overlap.first} {counts}"


def _named(pairs: np.ndarray, kind: str) -> list[tuple[int, int, str]]:
    return [(int(first), int(second), kind) for first, second in pairs[:SHOWN]]


def _overlap(content: Mapping[str, Any]) -> Overlap:
    def counts(values: Sequence[int]) -> tuple[int, int]:
        return values[0], values[1]

    pairs = tuple((int(first), int(second), str(kind)) for first, second, kind in content["pairs"])
    exact, near = counts(content["exact"]), counts(content["near"])
    return Overlap(content["first"], content["second"], exact, near, pairs, content["limited"])
