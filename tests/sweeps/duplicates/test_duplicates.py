"""Duplicates among images are found from their hashes alone, and a few odd images cannot make the search explode."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from sweeps.duplicates import near
from sweeps.duplicates.exact import exact_pairs, with_copies
from sweeps.duplicates.groups import groups
from sweeps.duplicates.near import near_candidates
from sweeps.workload import ImageHashes

NOTHING = np.empty((0, 2), dtype=np.int64)


def hashes(names: str, perceptual: list[int] | None = None, mirrored: list[int] | None = None) -> ImageHashes:
    """Images by one letter each: equal letters are equal images. Without perceptual hashes no two look alike."""
    exact = np.array([[7, ord(name)] for name in names], dtype=np.uint64).reshape(-1, 2)
    generator = np.random.default_rng(ord(names[0]) if names else 0)
    alike = generator.integers(0, 2**63, (len(names), 2), dtype=np.uint64)
    for side, values in enumerate((perceptual, mirrored)):
        if values is not None:
            alike[:, side] = values
    return ImageHashes(exact, alike)


def random_hashes(size: int, seed: int) -> ImageHashes:
    """Images of which many look alike: each hash is one of eight with a few bits flipped."""
    generator = np.random.default_rng(seed)
    kinds = np.random.default_rng(0).integers(0, 2**63, 8, dtype=np.uint64)
    flips = np.uint64(1) << generator.integers(0, 63, (size, 2, 3), dtype=np.uint64)
    alike = kinds[generator.integers(0, 8, (size, 2))] ^ np.bitwise_or.reduce(flips, axis=2)
    return ImageHashes(generator.integers(0, 8, (size, 2), dtype=np.uint64), alike)


def alike(first: ImageHashes, i: int, second: ImageHashes, j: int) -> bool:
    if (first.exact[i] == second.exact[j]).all():
        return False
    target = int(second.perceptual[j, 0])
    return min((int(each) ^ target).bit_count() for each in first.perceptual[i]) <= first.near


def unequalled(part: ImageHashes) -> list[int]:
    return [i for i in range(len(part)) if not any((part.exact[i] == part.exact[j]).all() for j in range(i))]


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        ("abc", "dba", [[0, 2], [1, 1]]),
        ("abc", "def", []),
        ("aabc", "aa", [[0, 0], [0, 1], [1, 0]]),  # every image that has an equal one, but not every pair
        ("", "ab", []),
        ("ab", "", []),
    ],
)
def test_equal_images_of_two_parts_are_paired(first: str, second: str, pairs: list[list[int]]) -> None:
    assert exact_pairs(hashes(first), hashes(second)).tolist() == pairs


@pytest.mark.parametrize(
    ("names", "pairs"), [("abcab", [[0, 3], [1, 4]]), ("aaaa", [[0, 1], [0, 2], [0, 3]]), ("ab", []), ("", [])]
)
def test_equal_images_of_one_part_are_paired_with_the_first(names: str, pairs: list[list[int]]) -> None:
    assert exact_pairs(hashes(names)).tolist() == pairs


def test_many_equal_images_make_few_pairs() -> None:
    assert len(exact_pairs(hashes("a" * 3000), hashes("a" * 2000))) == 3000 + 2000 - 1


@pytest.mark.parametrize("counting", ["numpy 2", "numpy 1"])
@pytest.mark.parametrize("block", [2**19, 64])
def test_candidates_are_all_pairs_within_the_distance(
    counting: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if counting == "numpy 1":
        monkeypatch.delattr(np, "bitwise_count")
    monkeypatch.setattr(near, "_BLOCK", block)
    first, second = random_hashes(60, 1), random_hashes(40, 2)
    expected = [list(p) for p in product(unequalled(first), unequalled(second)) if alike(first, p[0], second, p[1])]
    assert near_candidates(first, second, most=99).pairs.tolist() == expected
    within = [list(p) for p in combinations(unequalled(first), 2) if alike(first, p[0], first, p[1])]
    assert near_candidates(first, most=99).pairs.tolist() == within
    assert len(expected) > 20
    assert len(within) > 20


def test_mirror_image_is_a_candidate() -> None:
    first, second = hashes("a", [0], [2**60]), hashes("b", [2**60 + 1], [1])
    assert near_candidates(first, second).pairs.tolist() == [[0, 0]]


def test_images_that_look_like_all_others_give_their_nearest_only() -> None:
    names = "".join(chr(1000 + i) for i in range(200))
    first, second = hashes(names, [0] * 200), hashes(names[:100].upper() + "xyz" * 33, [0] * 199)
    candidates = near_candidates(first, second, most=5)
    assert len(candidates.pairs) <= 200 * 5
    assert candidates.limited == 200
    within = near_candidates(first, most=5)
    assert len(within.pairs) <= 200 * 5
    assert within.limited == 200 - 1 - 5


def test_nearest_are_kept_where_there_are_too_many() -> None:
    second = hashes("bcdefg", [7, 1, 0, 3, 15, 31])
    assert near_candidates(hashes("a", [0]), second, most=2).pairs.tolist() == [[0, 1], [0, 2]]


def test_copies_of_an_image_share_its_near_duplicates() -> None:
    first, second = hashes("aab"), hashes("ccd")
    assert with_copies(np.array([[0, 0]]), first, second).tolist() == [[0, 0], [0, 1], [1, 0]]
    assert with_copies(np.array([[0, 2]]), hashes("aab")).tolist() == [[0, 2], [1, 2]]
    assert with_copies(NOTHING, first, second).tolist() == []


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], [0, 1, 2, 3, 4, 5]),
        ([[1, 4], [3, 4]], [0, 1, 2, 1, 1, 5]),
        ([[4, 5], [3, 4], [2, 3], [1, 2], [0, 1]], [0] * 6),
        ([[0, 5], [2, 3]], [0, 1, 2, 2, 4, 0]),
    ],
)
def test_groups_are_what_pairs_connect(pairs: list[list[int]], expected: list[int]) -> None:
    assert groups(6, np.array(pairs, dtype=np.int64).reshape(-1, 2)).tolist() == expected


def test_groups_of_random_pairs_agree_with_merging_one_by_one() -> None:
    generator = np.random.default_rng(3)
    pairs = generator.integers(0, 300, (220, 2))
    merged = list(range(300))
    for left, right in pairs.tolist():
        low, high = sorted((merged[left], merged[right]))
        merged = [low if each == high else each for each in merged]
    assert groups(300, pairs).tolist() == merged
