"""Read a table of benchmarks/tables beside the study that made it, and convert it to arrays for other programs.

    python -m benchmarks.known_table cifar10_mini --out cifar10_mini.npz

The file has the arrays

    X        (rows, dimensions), in [0, 1]: the configurations; log-uniform settings by their logarithm
    curves   (rows, epochs): the validation accuracy in % after each epoch
    seconds  (rows,): the device time of an epoch
    kinds    (dimensions,): "float", or "intK" or "catK" for K values, ordered or not; value k of them is k / (K - 1)
    keys     (dimensions,): the settings
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sweeps.space.space import Categorical, Dimension, Numeric, Space
from sweeps.study.document import read
from sweeps.study.study import Study, parse

TABLES = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class KnownTable:
    """Full trainings of many configurations of one study.

    Attributes:
        study: The study that made the table.
        rows: The settings of each configuration, by dotted key.
        curves: The metric after each epoch, shape (rows, epochs); larger is better. After it has diverged, a training
            has the worst value of all.
        epoch_seconds: The device time of an epoch, shape (rows,).
    """

    study: Study
    rows: Sequence[Mapping[str, Any]]
    curves: np.ndarray
    epoch_seconds: np.ndarray

    @property
    def space(self) -> Space:
        """The space that the configurations are from."""
        return self.study.space

    @property
    def epochs(self) -> int:
        """The epochs of a full training."""
        return self.curves.shape[1]

    @property
    def full_s(self) -> float:
        """The mean device time of a full training."""
        return self.epochs * float(self.epoch_seconds.mean())

    @cached_property
    def points(self) -> np.ndarray:
        """The configurations in [0, 1], shape (rows, dimensions)."""
        return np.array([self.point(row) for row in self.rows])

    def point(self, settings: Mapping[str, Any]) -> list[float]:
        """Return a configuration in [0, 1], dimension by dimension."""
        return [_place(dimension, settings[dimension.key]) for dimension in self.space.dimensions]

    def nearest(self, settings: Mapping[str, Any]) -> int:
        """Return the row nearest to a configuration; two values of an unordered setting are at distance 1."""
        apart = np.abs(self.points - self.point(settings))
        unordered = [kind(dimension).startswith("cat") for dimension in self.space.dimensions]
        apart = np.where(unordered, apart > 1e-9, apart)
        return int((apart**2).sum(axis=1).argmin())

    def regret(self, row: int) -> float:
        """Return how far a fully trained configuration is below the best one, in points of the metric."""
        return float(self.curves[:, -1].max() - self.curves[row, -1])

    @property
    def scale(self) -> float:
        """The regret of a median configuration."""
        return float(self.curves[:, -1].max() - np.median(self.curves[:, -1]))


def kind(dimension: Dimension) -> str:
    """Return "float", or "int" or "cat" and the number of values. More than two numbers to choose from are ordered."""
    if isinstance(dimension, Categorical):
        return f"{'int' if _ordered(dimension) else 'cat'}{len(dimension.values)}"
    return "float" if dimension.size is None else f"int{dimension.size}"


def _ordered(dimension: Categorical) -> bool:
    return len(dimension.values) > 2 and all(isinstance(value, int | float) for value in dimension.values)


def _rank(value: Any) -> tuple[float, str]:
    """Return by what values are sorted: numbers, lists by their first one, words by the alphabet."""
    first = value[0] if isinstance(value, list | tuple) else value
    return (float(first), "") if isinstance(first, int | float) else (0.0, str(value))


def _place(dimension: Dimension, value: Any) -> float:
    """Return where a value is in [0, 1]."""
    if isinstance(dimension, Categorical):
        values = sorted(dimension.values, key=_rank)
        return values.index(value) / max(1, len(values) - 1)
    assert isinstance(dimension, Numeric)
    ends = dimension.low, dimension.high
    low, high, at = (math.log(number) if dimension.log else number for number in (*ends, value))
    return (at - low) / (high - low)


@lru_cache(maxsize=2)
def read_table(name: str, folder: Path = TABLES) -> KnownTable:
    """Return the table `folder`/NAME.csv.gz, which the study NAME.yaml beside it made."""
    study = parse(read(folder / f"{name}.yaml"))
    with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    dimensions = {dimension.key: dimension for dimension in study.space.dimensions}
    settings = header.index("epoch_seconds")
    rows = [
        {key: _value(dimensions[key], cell) for key, cell in zip(header[:settings], line[:settings], strict=True)}
        for line in lines
    ]
    numbers = np.array([[float(cell) for cell in line[settings:]] for line in lines])
    curves = np.where(np.isnan(numbers[:, 1:]), np.nanmin(numbers[:, 1:]), numbers[:, 1:])
    return KnownTable(study, rows, curves, numbers[:, 0])


def _value(dimension: Dimension, cell: str) -> Any:
    if isinstance(dimension, Numeric):
        return dimension.decode(float(cell))
    assert isinstance(dimension, Categorical)
    return next(value for value in dimension.values if _written(value) == cell)


def _written(value: Any) -> str:
    """Return how a value of a list is written in the table."""
    return str(list(value)) if isinstance(value, list | tuple) else str(value)


def main() -> None:
    """Convert a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("name")
    options.add_argument("--out", type=Path, required=True)
    chosen = options.parse_args()
    table = read_table(chosen.name)
    dimensions = table.space.dimensions
    np.savez_compressed(
        chosen.out,
        X=table.points,
        curves=table.curves,
        seconds=table.epoch_seconds,
        kinds=np.array([kind(dimension) for dimension in dimensions]),
        keys=np.array([dimension.key for dimension in dimensions]),
    )


if __name__ == "__main__":
    main()
