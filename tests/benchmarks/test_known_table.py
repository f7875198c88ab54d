"""The tables of full trainings: read back, converted, and problems worth searching."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.known_table import TABLES, kind, read_table

NAMES = sorted(file.name.removesuffix(".csv.gz") for file in TABLES.glob("*.csv.gz"))


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_of_the_space_and_its_own_nearest(name: str) -> None:
    table = read_table(name)
    assert all(dimension.contains(row[dimension.key]) for row in table.rows for dimension in table.space.dimensions)
    assert [table.nearest(row) for row in table.rows] == list(range(len(table.rows)))
    assert table.points.min() >= 0
    assert table.points.max() <= 1
    assert table.epochs == 27


def test_nearest_row_is_near_in_the_logarithm_of_a_log_uniform_setting() -> None:
    table = read_table("cifar10_mini")
    place = next(place for place, dimension in enumerate(table.space.dimensions) if dimension.key == "optimizer.lr")
    low, middle, high = (table.point({**table.rows[0], "optimizer.lr": rate})[place] for rate in (0.01, 0.1, 0.6))
    assert (low, high) == (0, pytest.approx(1))
    assert middle == pytest.approx(np.log(10) / np.log(60))


def test_cifar_problem_has_slow_starters_and_spread_results() -> None:
    table = read_table("cifar10_mini")
    last = table.curves[:, -1]
    assert len(table.rows) >= 150
    assert table.scale > 3
    assert np.percentile(last, 25) > last.min() + 5  # few are at chance
    best = np.argsort(-last)[:10]
    places_after_one_epoch = [int((table.curves[:, 0] > table.curves[row, 0]).sum()) for row in best]
    assert np.median(places_after_one_epoch) > len(table.rows) / 4


def test_converted_table_has_the_arrays_of_the_format(tmp_path: Path) -> None:
    out = tmp_path / "digits.npz"
    subprocess.run([sys.executable, "-m", "benchmarks.known_table", "digits", "--out", str(out)], check=True)
    arrays, table = np.load(out), read_table("digits")
    assert arrays["kinds"].tolist() == [kind(dimension) for dimension in table.space.dimensions]
    assert arrays["kinds"].tolist() == ["int8", "int3", "cat2", "cat2", "cat2", "cat2"]
    assert arrays["X"].shape == (384, 6)
    assert (arrays["curves"] == table.curves).all()
    assert (arrays["seconds"] == table.epoch_seconds).all()
