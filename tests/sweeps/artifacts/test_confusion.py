"""Confusion matrices: their sums, the most confused pairs, and their files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sweeps.artifacts.confusion import Confusion, confusion_file, read_confusion, write_confusion
from sweeps.workload import Run

PETS = Confusion.of(["cat", "dog", "cow"], [[6, 3, 1], [4, 5, 1], [0, 0, 10]])


def test_images_and_errors_are_the_sums_of_the_rows() -> None:
    assert PETS.images == (10, 10, 10)
    assert PETS.correct == (6, 5, 10)
    assert (PETS.total, PETS.errors) == (30, 9)


def test_confused_pairs_come_with_their_shares_the_most_frequent_first() -> None:
    first, second, *rest = PETS.confused()
    assert (first.true, first.predicted, first.count, first.reverse) == (1, 0, 4, 3)
    assert (first.errors, first.images) == (4 / 9, 4 / 10)
    assert (second.true, second.predicted, second.count, second.reverse) == (0, 1, 3, 4)
    assert [(each.true, each.predicted) for each in rest] == [(0, 2), (1, 2)]
    assert sum(each.errors for each in PETS.confused()) == pytest.approx(1)


def test_nothing_is_confused_where_there_are_no_errors_or_no_images() -> None:
    assert Confusion.of("ab", [[3, 0], [0, 2]]).confused() == []
    assert Confusion.of("ab", [[0, 0], [0, 0]]).confused() == []


def test_runs_add_up() -> None:
    both = PETS + PETS
    assert both.counts == ((12, 6, 2), (8, 10, 2), (0, 0, 20))
    with pytest.raises(ValueError, match="different classes"):
        PETS + Confusion.of(["cat", "dog", "cot"], PETS.counts)


@pytest.mark.parametrize(("counts", "message"), [
    ([[1, 2]], "2 classes need as many rows and columns but got 1 rows"),
    ([[1], [2]], "2 classes need as many rows and columns"),
    ([[1, 2], [-1, 2]], "counts of images are from 0 to"),
    ([[1, 2], [10**400, 2]], "counts of images are from 0 to"),
])  # fmt: skip
def test_counts_of_another_shape_are_refused(counts: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Confusion.of(["a", "b"], counts)


@pytest.mark.parametrize("names", [["cat", "dog"], ["<script>alert(1)</script>", '=1+1,"x"\nnext line'], ["ä, ö", ""],
    ["'=1", "=1"], ["''@", "'"], ["\t1", "-"], ["a\rb", "\r\n"], ["\x85", "\u2028"],
])  # fmt: skip
def test_a_run_leaves_a_file_that_reads_back(tmp_path: Path, names: list[str]) -> None:
    run = Run(seed=0, split_seed=0, device="cpu", data_dir=tmp_path, folder=tmp_path)
    run.record_confusion("validation", names, [[1, 2], [3, 4]])
    run.record_confusion("validation", names, [[5, 2], [3, 4]])
    assert read_confusion(tmp_path, "validation") == Confusion(tuple(names), ((5, 2), (3, 4)))
    assert [file.name for file in tmp_path.iterdir()] == ["confusion-validation.csv"]
    assert read_confusion(tmp_path, "test") is None


def test_a_spreadsheet_takes_no_name_of_a_class_for_a_formula(tmp_path: Path) -> None:
    write_confusion(tmp_path, "test", Confusion.of(["=1+1", "@a", "+b", "-c", "\td"], [[0] * 5] * 5))
    assert not set("=@+-\t") & {cell[:1] for line in lines(tmp_path) for cell in line}


def lines(folder: Path) -> list[list[str]]:
    with confusion_file(folder, "test").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("name", ["../../etc", "a b", "a-b!", "A-B", "", "noise 1", "x" * 300, "日本"])
def test_every_set_has_a_file_of_its_own_in_the_folder_of_the_run(tmp_path: Path, name: str) -> None:
    others = {confusion_file(tmp_path, other) for other in ("test", "a-b", "validation")}
    file = confusion_file(tmp_path, name)
    assert file.parent == tmp_path
    assert file not in others
    write_confusion(tmp_path, name, PETS)
    assert read_confusion(tmp_path, name) == PETS


@pytest.mark.parametrize("text", [
    "", "true class,a,b\na,1,2\n", "true class,a,b\na,1,2\nc,3,4\n", "t,a\na,x\n", f"true class,{'a' * 200_000}\n",
    "true class,a\na," + "9" * 5000, "true class,\xff\n\xff,1", "\0", "x" * (65 << 20),
], ids=range(9))  # fmt: skip
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    confusion_file(tmp_path, "test").write_text(text, encoding="latin1")
    with pytest.raises(ValueError, match=r"confusion-test\.csv is no table of counts"):
        read_confusion(tmp_path, "test")
