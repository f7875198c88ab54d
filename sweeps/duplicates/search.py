"""Search for the images that parts of the data share, and for those that one part has twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.duplicates.exact import exact_pairs, with_copies
from sweeps.duplicates.groups import groups
from sweeps.duplicates.hashes import ImageHashes
from sweeps.duplicates.near import near_candidates

TRAIN, UNLABELLED, TEST = "train", "unlabelled", "test"
TRAINING = (TRAIN, UNLABELLED)  # the parts that models learn from
_VERSION = b"1"  # of the search: a result of another version is not reused

Pairs = dict[tuple[str, str], np.ndarray]
Confirm = Callable[[Pairs], Mapping[tuple[str, str], np.ndarray]]


@dataclass(frozen=True)
class Shared:
    """The images that two parts share, or that one part has twice.

    Attributes:
        first: The first part.
        second: The second; the first again for what one part has twice.
        size: The number of images of the first part.
        exact: Pairs of equal images, shape (P, 2), int64: every image that has an equal one is in one.
        near: Pairs of near duplicates, in the same way.
        limited: How many images of the first part look like so many others that only the nearest were compared.
    """

    first: str
    second: str
    size: int
    exact: np.ndarray
    near: np.ndarray
    limited: int = 0

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """How many images of the first and of the second part have an equal one, and how many a near one only.

        Within one part: the number of images beyond the first of each group, twice.
        """
        if self.first == self.second:
            exact = len(self.exact)
            group = groups(self.size, np.concatenate([self.exact, self.near]))
            near = int((group != np.arange(self.size)).sum()) - exact
            return {"exact": (exact, exact), "near": (near, near)}
        equal = [np.unique(self.exact[:, side]) for side in (0, 1)]
        alike = [np.setdiff1d(self.near[:, side], equal[side]) for side in (0, 1)]
        return {"exact": (len(equal[0]), len(equal[1])), "near": (len(alike[0]), len(alike[1]))}


def compared_parts(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of parts that are compared, of those that there are: all that shares images with a test is.

    Args:
        names: The parts. All but "train", "unlabelled" and "test" are further labelled sets.
    """
    parts = list(names)
    further = [name for name in parts if name not in (*TRAINING, TEST)]
    wanted = [(TRAIN, TRAIN), *((part, TEST) for part in TRAINING)]
    wanted += [pair for name in further for pair in ((TRAIN, name), (TEST, name))]
    return [(first, second) for first, second in wanted if first in parts and second in parts]


def search(hashes: Mapping[str, ImageHashes], confirm: Confirm | None = None) -> list[Shared]:
    """Return what the parts share and have twice.

    Args:
        hashes: The hashes of each part's images.
        confirm: Decides which candidates are near duplicates, shape (M,) bool for each pair of parts. Without it near
            duplicates are not looked for.
    """
    parts = compared_parts(hashes)
    others = {(first, second): None if first == second else hashes[second] for first, second in parts}
    candidates = {pair: near_candidates(hashes[pair[0]], others[pair]) for pair in parts} if confirm else {}
    asked = {pair: found.pairs for pair, found in candidates.items() if len(found.pairs)}
    answers = confirm(asked) if confirm and asked else {}
    near = {pair: pairs[np.asarray(answers[pair], dtype=bool)] for pair, pairs in asked.items()}
    nothing = np.empty((0, 2), dtype=np.int64)
    return [
        Shared(
            *pair,
            size=len(hashes[pair[0]]),
            exact=exact_pairs(hashes[pair[0]], others[pair]),
            near=with_copies(near.get(pair, nothing), hashes[pair[0]], others[pair]),
            limited=candidates[pair].limited if pair in candidates else 0,
        )
        for pair in parts
    ]


def digest(hashes: Mapping[str, ImageHashes], confirmed: bool) -> str:
    """Return a SHA-256 by which the result of a search is known again.

    Args:
        hashes: The hashes of each part's images.
        confirmed: Whether near duplicates are looked for.
    """
    whole = hashlib.sha256(_VERSION + bytes([confirmed]))
    for name in sorted(hashes):
        part = hashes[name]
        whole.update(f"{name}\n{len(part)}\n{part.near}\n".encode())
        for values in (part.exact, part.perceptual):
            whole.update(np.ascontiguousarray(values, dtype="<u8").tobytes())
    return whole.hexdigest()


def images_in(pairs: Sequence[np.ndarray], side: int) -> np.ndarray:
    """Return the numbers of the images on one side of all pairs, each once, in ascending order."""
    return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(each[:, side] for each in pairs)]))
