"""Learning curves on disk: each epoch once, torn lines repaired, and no parsing of the whole file at each epoch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.artifacts import curves
from sweeps.artifacts.curves import CurveFile, read_curves


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "curves.csv"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that have been parsed, in order."""
    paths: list[Path] = []
    parse = curves._parse

    def counting(path: Path) -> Any:
        paths.append(path)
        return parse(path)

    monkeypatch.setattr(curves, "_parse", counting)
    return paths


def test_missing_file_has_no_rows(path: Path) -> None:
    assert read_curves(path) == CurveFile(path).rows() == []


def test_curve_keeps_one_row_per_epoch_and_every_column(path: Path) -> None:
    curve = CurveFile(path)
    curve.append(1, {"a": 1.0}, 0.5)
    curve.append(2, {"a": 2.0, "b": 5.0}, 0.5)
    curve.append(2, {"a": 99.0}, 0.5)
    curve.append(3, {"a": 3.0}, 0.5)
    curve.append(4, {"c": 7.0}, 0.5)
    assert [(row["epoch"], row.get("a"), row.get("b"), row.get("c")) for row in read_curves(path)] == [
        (1, 1, None, None),
        (2, 2, 5, None),
        (3, 3, None, None),
        (4, None, None, 7),
    ]
    assert curve.rows() == read_curves(path)


def test_rows_are_those_of_the_file_in_the_form_that_they_always_had(path: Path) -> None:
    curve = CurveFile(path)
    for epoch in (1, 2, 3):
        curve.append(epoch, {"loss": 1 / epoch, "=a": 2.0}, 0.123456)
    assert path.read_text() == (
        "epoch,device_seconds,loss,'=a\n"
        "1,0.1235,1.0,2.0\n"
        "2,0.1235,0.5,2.0\n"
        "3,0.1235,0.3333333333333333,2.0\n"
    )  # fmt: skip


@pytest.mark.parametrize("writer", ["the same", "another"])
def test_torn_last_line_of_a_curve_is_repaired(path: Path, writer: str) -> None:
    curve = CurveFile(path)
    curve.append(1, {"a": 1.0}, 0.5)
    curve.append(2, {"a": 2.0}, 0.5)
    path.write_text(path.read_text()[:-3])
    assert [row["epoch"] for row in read_curves(path)] == [1]
    curve = curve if writer == "the same" else CurveFile(path)
    curve.append(2, {"a": 2.0}, 0.5)
    curve.append(3, {"a": 3.0}, 0.5)
    assert [(row["epoch"], row["a"]) for row in read_curves(path)] == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("epochs", [(1,), (1, 2)], ids=["first", "later"])
def test_failed_append_leaves_a_curve_that_the_next_one_completes(
    path: Path, monkeypatch: pytest.MonkeyPatch, epochs: tuple[int, ...]
) -> None:
    curve = CurveFile(path)
    for epoch in epochs[:-1]:
        curve.append(epoch, {"a": float(epoch)}, 0.5)
    with monkeypatch.context() as broken:

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        broken.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            curve.append(epochs[-1], {"a": float(epochs[-1])}, 0.5)
    for epoch in (*epochs, 3):
        curve.append(epoch, {"a": float(epoch)}, 0.5)
    assert curve.rows() == read_curves(path)
    assert [(row["epoch"], row["a"]) for row in read_curves(path)] == [(epoch, epoch) for epoch in (*epochs, 3)]


def test_appending_parses_the_file_at_most_once(path: Path, parsed: list[Path]) -> None:
    curve = CurveFile(path)
    for epoch in range(1, 30):
        curve.append(epoch, {"a": 1.0, **({"b": 2.0} if epoch % 5 == 0 else {})}, 0.5)
    assert (len(curve.rows()), parsed) == (29, [])
    again = CurveFile(path)
    for epoch in range(25, 40):
        again.append(epoch, {"a": 1.0}, 0.5)
    assert (len(again.rows()), parsed) == (39, [path])


def test_change_by_another_process_is_seen(path: Path) -> None:
    ours, theirs = CurveFile(path), CurveFile(path)
    ours.append(1, {"a": 1.0}, 0.5)
    theirs.append(2, {"a": 2.0}, 0.5)
    ours.append(2, {"a": 99.0}, 0.5)
    ours.append(3, {"a": 3.0}, 0.5)
    assert ours.rows() == theirs.rows() == read_curves(path)
    assert [row["a"] for row in ours.rows()] == [1, 2, 3]
    path.unlink()
    assert ours.rows() == []
    ours.append(1, {"b": 1.0}, 0.5)
    assert read_curves(path) == [{"epoch": 1.0, "device_seconds": 0.5, "b": 1.0}]


def test_rows_that_were_handed_out_are_the_callers(path: Path) -> None:
    curve = CurveFile(path)
    curve.append(1, {"a": 1.0}, 0.5)
    curve.rows()[0]["a"] = 99.0
    assert curve.rows() == [{"epoch": 1.0, "device_seconds": 0.5, "a": 1.0}]


NAMES = st.sampled_from(["a", "b", "=c", "'=c", "d,e", 'f"', "g\rh", "'i"])
STEPS = st.lists(st.tuples(st.integers(1, 9), st.dictionaries(NAMES, st.floats(allow_nan=False), max_size=4)))


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sets(st.integers(0, 8)))
def test_memory_is_what_the_file_says(tmp_path_factory: pytest.TempPathFactory, steps: Any, torn: set[int]) -> None:
    path = tmp_path_factory.mktemp("curves") / "curves.csv"
    curve = CurveFile(path)
    expected: dict[int, dict[str, float]] = {}
    for number, (epoch, metrics) in enumerate(steps):
        curve.append(epoch, metrics, 0.5)
        expected.setdefault(epoch, {"epoch": epoch, "device_seconds": 0.5, **metrics})
        if number in torn:
            path.write_bytes(path.read_bytes() + b"7,0.")
        assert curve.rows() == read_curves(path) == [expected[epoch] for epoch in sorted(expected)]
