"""The protocol of a search problem, and the problem of a table.

A problem is a black box: a configuration has a learning curve and a duration of an epoch. A table answers with the
nearest row that the search has not trained yet, and says which configuration that is. No policy sees the rows, so that
none can choose among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from sweeps.space.space import Categorical, Dimension, Numeric, Space

Parameters = Mapping[str, Any]

DESIGN = frozenset(
    {"lcbench_FashionMNIST", "digits", "taskset_patch128_LSTM128_bs64", "taskset_patch32_VRNN128_tanh_bs128"}
)
"""The problems on which the policies were designed. No claim rests on them."""


CLOSE = 1e-6
"""Two places of a choice that are nearer than this are the same one."""


class Training(NamedTuple):
    """The full training of one configuration.

    Attributes:
        parameters: The configuration that was trained.
        curve: The metric after each epoch, shape (epochs,); larger is better.
        epoch_seconds: The device time of an epoch.
    """

    parameters: Parameters
    curve: np.ndarray
    epoch_seconds: float


Train = Callable[[Parameters], Training]


class Problem(Protocol):
    """A search problem with a known optimum.

    Attributes:
        name: Its name in the results.
        version: A hash of what its answers depend on.
        space: The search space, of independent dimensions.
        epochs: The epochs of a full training.
        full_seconds: The mean device time of a full training: a budget of 1.
        best: The metric of the best configuration, fully trained.
        median: The metric of a median configuration, fully trained.
    """

    name: str
    version: str
    space: Space
    epochs: int
    full_seconds: float
    best: float
    median: float

    def train(self, parameters: Parameters) -> Training:
        """Return the training of a configuration of the space, or of what is nearest to it."""

    def search(self) -> Train:
        """Return a function that trains the configurations of one search."""


def regret(problem: Problem, parameters: Parameters | None) -> float:
    """Return the normalised regret of a configuration, fully trained: 0 for the best, 1 for a median one.

    Handing over nothing counts as a median configuration.
    """
    if parameters is None:
        return 1.0
    return float((problem.best - problem.train(parameters).curve[-1]) / (problem.best - problem.median))


class Table:
    """The problem of a table: a configuration trains as its nearest row did.

    Args:
        name: The name in the results.
        version: A hash of the table.
        kinds: Per dimension "float", or "int" or "cat" and the number of its values, such as "int8".
        points: The rows' configurations, shape (rows, dimensions), in [0, 1]: place k of K values is k / (K - 1).
        curves: The metric after each epoch, shape (rows, epochs); larger is better.
        epoch_seconds: The device time of an epoch, shape (rows,).
    """

    def __init__(
        self,
        name: str,
        version: str,
        kinds: Sequence[str],
        points: np.ndarray,
        curves: np.ndarray,
        epoch_seconds: np.ndarray,
    ) -> None:
        self.name, self.version = name, version
        self.space = Space(tuple(_dimension(index, kind) for index, kind in enumerate(kinds)))
        self.epochs = curves.shape[1]
        self.full_seconds = float(self.epochs * epoch_seconds.mean())
        self.best, self.median = float(curves[:, -1].max()), float(np.median(curves[:, -1]))
        self._points, self._curves, self._epoch_seconds = points, curves, epoch_seconds
        self._unordered = np.array([kind.startswith("cat") for kind in kinds])
        self._scale = np.array([max(1, values_of(kind) - 1) if kind != "float" else 1 for kind in kinds])
        self._finite = "float" not in kinds

    def train(self, parameters: Parameters) -> Training:
        """Return the training of the nearest row."""
        return self._row(int(self._distances(parameters).argmin()))

    def search(self) -> Train:
        """Return a function that trains the nearest row which it has not trained yet.

        Else a sampler that proposes near its best configuration would train the same row again and again. A space
        without a continuum has its own rows, which may repeat; so may all once each was trained.
        """
        trained = np.zeros(len(self), dtype=bool)

        def train(parameters: Parameters) -> Training:
            distances = self._distances(parameters)
            row = int(np.where(trained, np.inf, distances).argmin())
            if self._finite or trained[row]:
                row = int(distances.argmin())
            trained[row] = True
            return self._row(row)

        return train

    def _distances(self, parameters: Parameters) -> np.ndarray:
        """Return the squared distance of a configuration to each row; two different choices are at distance 1."""
        point = np.array([parameters[dimension.key] for dimension in self.space.dimensions]) / self._scale
        apart = np.abs(self._points - point)
        if self._unordered.any():
            apart = np.where(self._unordered, apart > CLOSE, apart)
        return (apart**2).sum(axis=1)

    def _row(self, row: int) -> Training:
        places = (self._points[row] * self._scale).tolist()
        parameters = {
            dimension.key: float(place) if dimension.size is None else round(place)
            for dimension, place in zip(self.space.dimensions, places, strict=True)
        }
        return Training(parameters, self._curves[row], float(self._epoch_seconds[row]))

    def __len__(self) -> int:
        return len(self._points)


def values_of(kind: str) -> int:
    """Return the number of values of an "int" or "cat" dimension."""
    return int(kind[3:])


def _dimension(index: int, kind: str) -> Dimension:
    key = f"x{index}"
    if kind == "float":
        return Numeric(key=key, low=0.0, high=1.0)
    count = values_of(kind)
    if kind.startswith("int"):
        return Numeric(key=key, low=0, high=count - 1, integer=True)
    return Categorical(key=key, values=tuple(range(count)))
