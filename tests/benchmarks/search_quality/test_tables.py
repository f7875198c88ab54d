"""Reading tables: what is accepted, and what the error of a table that is not valid names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.search_quality.problems import regret
from benchmarks.search_quality.tables import OWN, BadTable, read_csv, read_npz, read_tables
from sweeps.space.space import Categorical, Numeric

ROWS = 12


def fields(**changed: Any) -> dict[str, Any]:
    """The fields of a table of 12 rows and 5 epochs, whose rows differ by the first column."""
    points = np.stack([np.linspace(0, 1, ROWS), np.resize([0.0, 0.5, 1.0], ROWS)], axis=1)
    curves = points[:, :1] * np.arange(1, 6)
    return {"X": points, "curves": curves, "seconds": np.full(ROWS, 2.0), "kinds": ["float", "int3"], **changed}


def write(folder: Path, content: dict[str, Any], name: str = "table") -> Path:
    file = folder / f"{name}.npz"
    np.savez(file, **{key: value for key, value in content.items() if value is not None})
    return file


def test_repository_table_is_whole_and_its_problem_is_neither_flat_nor_trivial() -> None:
    table = read_csv(OWN / "digits.csv.gz")
    assert (len(table), table.epochs) == (8 * 3 * 2 * 2 * 2 * 2, 27)
    assert [dimension.size for dimension in table.space.dimensions] == [8, 3, 2, 2, 2, 2]
    assert [isinstance(dimension, Numeric) for dimension in table.space.dimensions] == [True, True] + [False] * 4
    assert table.best - table.median > 5
    trainings = [table.train(parameters) for parameters in table.space.grid()]
    leader = max(trainings, key=lambda training: training.curve[0])
    assert regret(table, leader.parameters) > 0  # who leads after an epoch is not the best


def test_table_has_the_space_of_its_kinds_and_answers_with_rows(tmp_path: Path) -> None:
    table = read_npz(write(tmp_path, fields(kinds=["float", "cat3"])))
    assert isinstance(table.space.dimensions[0], Numeric)
    assert table.space.dimensions[1] == Categorical(key="x1", values=(0, 1, 2))
    training = table.train({"x0": 0.99, "x1": 2})
    assert training.parameters == {"x0": 1.0, "x1": 2}
    assert training.curve.tolist() == [1, 2, 3, 4, 5]
    assert table.full_seconds == 10
    assert regret(table, {"x0": 1.0, "x1": 2}) == 0


def test_search_trains_no_row_of_a_continuum_twice_until_all_are_trained(tmp_path: Path) -> None:
    train = read_npz(write(tmp_path, fields())).search()
    point = {"x0": 0.0, "x1": 0}
    assert len({train(point).parameters["x0"] for _ in range(ROWS)}) == ROWS
    assert train(point).parameters == point


def test_finite_space_repeats_itself() -> None:
    train = read_csv(OWN / "digits.csv.gz").search()
    point = {"x0": 3, "x1": 1, "x2": 0, "x3": 1, "x4": 0, "x5": 1}
    assert train(point).parameters == train(point).parameters == point


def test_missing_kinds_are_floats_and_unknown_fields_are_ignored(tmp_path: Path) -> None:
    table = read_npz(write(tmp_path, fields(kinds=None, keys=["a", "b"])))
    assert [dimension.size for dimension in table.space.dimensions] == [None, None]


def test_minimised_metric_is_turned(tmp_path: Path) -> None:
    curves = fields()["curves"]
    assert read_npz(write(tmp_path, fields(curves=-curves, goal="minimize"))).best == curves.max()


def test_diverged_training_counts_as_the_worst(tmp_path: Path) -> None:
    curves = fields()["curves"]
    curves[1, 2:], curves[0, :] = np.nan, -3
    table = read_npz(write(tmp_path, fields(curves=curves)))
    assert table.train({"x0": 1 / 11, "x1": 1}).curve[2:].tolist() == [-3, -3, -3]


def test_long_curves_are_thinned_and_cost_the_same(tmp_path: Path) -> None:
    long = np.arange(1, 51) * fields()["X"][:, :1]
    table = read_npz(write(tmp_path, fields(curves=long)))
    assert table.epochs == 27
    curve = table.train({"x0": 1.0, "x1": 2}).curve.tolist()
    assert curve[0] == 2
    assert curve[-1] == 50
    assert table.full_seconds == pytest.approx(100)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"X": None}, "X: missing; the file has curves, kinds, seconds"),
        ({"X": np.full((ROWS, 2), 1.5)}, r"X: every value must be in \[0, 1\]"),
        ({"kinds": ["float"]}, "kinds: must have 2 entries"),
        ({"kinds": ["float", "ordinal"]}, 'kinds: "ordinal" is none of'),
        ({"kinds": ["int4", "int3"]}, "X: column 0 is int4"),
        ({"curves": np.zeros(ROWS)}, "curves: must be 2-dimensional numbers, but is float64"),
        ({"curves": np.zeros((3, 5))}, "curves: must have a row for each of the 12 of X, but has 3"),
        ({"curves": np.full((ROWS, 5), np.nan)}, "curves: no value is finite"),
        ({"curves": np.zeros((ROWS, 5))}, "curves: the best last value must be better than the median one"),
        ({"seconds": np.zeros(ROWS)}, "seconds: must be positive and finite"),
        ({"goal": "up"}, 'goal: must be "maximize" or "minimize", but is "up"'),
    ],
)
def test_error_names_the_file_and_the_field(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    write(tmp_path, fields(**changed))
    with pytest.raises(BadTable, match=f"table.npz: {message}"):
        read_tables(tmp_path)


def test_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "table.npz").write_text("nothing")
    with pytest.raises(BadTable, match=r"table.npz: not a NumPy archive"):
        read_tables(tmp_path)
