"""Parts of the data are searched for shared images; the numbers count images, not pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sweeps.duplicates.record import SHOWN, DuplicateRecord, Overlap
from sweeps.duplicates.search import Shared, compared_parts, digest, search
from sweeps.workload import ImageHashes, Site
from tests.sweeps import letters


def hashes(folder: Path, **parts: str) -> dict[str, ImageHashes]:
    return letters.image_hashes(letters.Letters(**parts), Site(folder, "cpu"))  # type: ignore[arg-type]


def pairs(*rows: tuple[int, int]) -> np.ndarray:
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


@pytest.mark.parametrize(
    ("names", "compared"),
    [
        (["train"], [("train", "train")]),
        (["test"], []),
        (["train", "test"], [("train", "train"), ("train", "test")]),
        (["train", "unlabelled", "test"], [("train", "train"), ("train", "test"), ("unlabelled", "test")]),
        (
            ["train", "test", "far"],
            [("train", "train"), ("train", "test"), ("train", "far"), ("test", "far")],
        ),
    ],
)
def test_everything_that_may_leak_is_compared(names: list[str], compared: list[tuple[str, str]]) -> None:
    assert compared_parts(names) == compared


def test_image_with_an_equal_one_does_not_count_as_a_near_one_too() -> None:
    shared = Shared("train", "test", 9, pairs((0, 0), (1, 0)), pairs((0, 1), (2, 1), (3, 0)))
    assert shared.counts == {"exact": (2, 1), "near": (2, 1)}


def test_within_a_part_the_images_beyond_the_first_of_each_group_count() -> None:
    shared = Shared("train", "train", 9, pairs((0, 3), (0, 4)), pairs((0, 5), (6, 7), (5, 6)))
    assert shared.counts == {"exact": (2, 2), "near": (3, 3)}


def test_what_the_pixels_deny_is_no_duplicate(tmp_path: Path) -> None:
    parts = hashes(tmp_path, train="aB", test="Ab")
    _, denied = search(parts, lambda asked: {key: np.array([True, False]) for key in asked})
    assert denied.near.tolist() == [[0, 0]]
    _, unasked = search(parts)
    assert len(unasked.near) == 0


@pytest.mark.parametrize("other", [{"train": "abd"}, {"train": "acb"}, {"test": "xyz"}])
def test_digest_changes_with_every_image_and_their_order(tmp_path: Path, other: dict[str, str]) -> None:
    base = {"train": "abc", "test": "xy"}
    first = digest(hashes(tmp_path, **base), confirmed=True)
    assert first == digest(hashes(tmp_path, **base), confirmed=True)
    assert first != digest(hashes(tmp_path, **{**base, **other}), confirmed=True)
    assert first != digest(hashes(tmp_path, **base), confirmed=False)


def test_record_survives_the_provenance_and_names_few_pairs(tmp_path: Path) -> None:
    many = Overlap.of(Shared("train", "test", 99, pairs(*((i, i) for i in range(50))), pairs((60, 60)), limited=2))
    record = DuplicateRecord("d", {"test": 99, "train": 99}, (many,), near=True, choice="keep")
    assert len(many.pairs) == SHOWN
    assert DuplicateRecord.of({"duplicates": record.plain()}) == record
    assert str(record) == (
        "train 99, test 99: 51 test images in train (50 equal, 1 near); "
        "2 images look like so many others that each was compared with the nearest only"
    )
